// Package engines holds the tests of docs/reading.md: a real job writes flows in all formats and codecs, and the usual readers
// read them by the lines of code that stand there.
//
// The document is what the tests run. A cell of its first table is a subtest "reader/extension" of TestReaders, a row of its table of
// folders and mistakes one of TestWholeFolders. The code of a line is run as it stands, with the name of a flow in place of "views" and
// another extension in place of the one that it has. What comes out is compared with what went in, value by value, and the
// differences must be those that the cell names.
//
// # Way in
//
// A new reader is a line of readers (readers_test.go), a new kind of files one of kinds (job_test.go), and the rest is written in the
// document. Plain go test checks the document and the output alone. With ONCEFLOW_SERVERS=1 those readers run that are installed
// within seconds, with ONCEFLOW_ENGINES=1, too, all.
package engines
