package config

import "reflect"

// Variable is one row of the configuration table.
type Variable struct {
	Name    string
	Default string // "" if there is none
	Doc     string
}

// Variables lists the environment variables in the order of Config's fields.
func Variables() []Variable {
	var vs []Variable
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("env"); name != "" {
			vs = append(vs, Variable{Name: name, Default: f.Tag.Get("envDefault"), Doc: f.Tag.Get("doc")})
		}
	}
	return vs
}

// variable is the environment variable of a field of Config.
func variable(field string) string {
	if f, ok := reflect.TypeFor[Config]().FieldByName(field); ok {
		return f.Tag.Get("env")
	}
	return field
}
