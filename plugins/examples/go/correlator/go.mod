module burst

go 1.24

require orion/plugin v0.0.0

replace orion/plugin => ./../../../sdk/go
