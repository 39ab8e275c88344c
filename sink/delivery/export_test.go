package delivery

// ProgressLine is progressLine.
var ProgressLine = progressLine
