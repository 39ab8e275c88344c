"""Runs lines of docs/reading.md in the folder of a job's output. The argument is the reader. A JSON array of tasks comes in, with
a name and code each; for each goes out a line of JSON: the rows, and the types of the columns that folders make, or the error."""
import csv, datetime, decimal, glob, gzip, io, json, math, os, sys, zlib


def plain(v):
    """A value as JSON has it. NaN is how pandas has null."""
    if hasattr(v, "item"):
        v = v.item()
    if isinstance(v, float) and math.isnan(v) or type(v).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(v, datetime.datetime):
        if v.tzinfo is not None:
            v = v.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return v.isoformat()
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, decimal.Decimal):
        return float(v)
    if isinstance(v, bytes):
        return v.decode()
    return v


def kind(v):
    if isinstance(v, (datetime.datetime, datetime.date)):
        return "date"
    if isinstance(v, bool):
        return "bool"
    return "text" if isinstance(v, str) else "number"


def records(r):
    """The rows of whatever a reader's line gives."""
    if hasattr(r, "fetchall"):  # DuckDB
        return [dict(zip(r.columns, t)) for t in r.fetchall()]
    if hasattr(r, "collect") and hasattr(r, "collect_schema"):  # Polars, lazy
        r = r.collect()
    if hasattr(r, "to_dicts"):  # Polars
        return r.to_dicts()
    if hasattr(r, "to_table"):  # a dataset of pyarrow
        r = r.to_table()
    if hasattr(r, "to_pylist"):  # a table of pyarrow
        return r.to_pylist()
    if hasattr(r, "toPandas"):  # Spark
        return [t.asDict() for t in r.collect()]
    if hasattr(r, "to_dict"):  # pandas
        return r.to_dict("records")
    return list(r)


def runner(reader):
    """How a reader runs a line."""
    names = {"csv": csv, "glob": glob, "gzip": gzip, "io": io, "json": json, "zlib": zlib}
    if reader == "DuckDB":
        import duckdb
        duckdb.sql("set timezone = 'UTC'")
        return lambda code: duckdb.sql(code)
    if reader == "ClickHouse":
        import chdb
        return lambda code: [json.loads(l) for l in str(chdb.query(code, "JSONEachRow")).splitlines()]
    if reader.startswith("Spark"):
        from pyspark.sql import SparkSession
        b = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
        b = b.config("spark.sql.shuffle.partitions", "1").config("spark.driver.memory", "1g")
        if os.environ.get("SPARK_JARS"):
            b = b.config("spark.jars", os.environ["SPARK_JARS"])
        spark = b.getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
        names["spark"] = spark
    if reader == "Polars":
        import polars
        names["pl"] = polars
    if reader == "pandas":
        import pandas
        names["pd"] = pandas
    if reader == "pyarrow":
        import pyarrow, pyarrow.dataset
        names["pa"], names["ds"] = pyarrow, pyarrow.dataset
    if reader == "zstandard":
        import zstandard
        names["zstandard"] = zstandard
    if reader == "fastavro":
        import fastavro
        names["fastavro"] = fastavro
    return lambda code: eval(code, names)


def main():
    run = runner(sys.argv[1])
    out = sys.stdout
    for task in json.load(sys.stdin):
        answer = {"name": task["name"]}
        try:
            rows = records(run(task["code"]))
            answer["types"] = {c: kind(v) for c in ("day", "hour", "site") for v in [next((r[c] for r in rows if r.get(c) is not None), None)] if v is not None}
            answer["rows"] = [{k: plain(v) for k, v in r.items()} for r in rows]
        except Exception as e:
            answer["error"] = type(e).__name__ + ": " + str(e)[:500]
        out.write(json.dumps(answer) + "\n")
        out.flush()


main()
