std = "max"
max_line_length = 130
codes = true
files["spec/support/line_coverage.lua"] = { ignore = { "122" } }
files["lua/loomta/nginx.lua"] = { read_globals = { "ngx" } }
files["lua/loomta/job.lua"] = { read_globals = { coroutine = { fields = { "_create", "_resume", "_yield", "_status" }, other_fields = true } } }
files["lua/loomta/meta.lua"] = { max_line_length = 170, unused_args = false } -- a type has to be on one line; nothing is run
files["spec"] = { max_line_length = 160 }
files["spec/**/*_spec.lua"] = { std = "+busted" }
