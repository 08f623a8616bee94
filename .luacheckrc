std = "max"
max_line_length = 130
codes = true
files["spec/**/*_spec.lua"] = { std = "+busted" }
