// Runs lines of docs/reading.md in the folder of a job's output, for each file f of a flow. A JSON array of tasks comes in, with a
// name, a folder, an extension and code each; for each goes out a line of JSON: the rows, or the error.
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'

function files(dir, ext) {
  return fs.readdirSync(dir, { recursive: true }).filter(f => f.endsWith(ext)).map(f => path.join(dir, f))
}

for (const task of JSON.parse(fs.readFileSync(0))) {
  const answer = { name: task.name }
  try {
    const read = new Function('f', 'fs', 'zlib', 'return ' + task.code)
    answer.rows = files(task.flow, '.' + task.ext).flatMap(f => read(f, fs, zlib))
  } catch (e) {
    answer.error = String(e)
  }
  console.log(JSON.stringify(answer))
}
