module github.com/onceflow/onceflow/scaler/kubernetes

go 1.26.0

require github.com/onceflow/onceflow v0.0.0
