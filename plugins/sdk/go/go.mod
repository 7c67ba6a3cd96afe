module orion/plugin

go 1.24
