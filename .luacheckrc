std = "max"
max_line_length = 130
codes = true
files["spec"] = { max_line_length = 160 }
files["spec/**/*_spec.lua"] = { std = "+busted" }
