-- Runs busted on the interpreter that runs this file, whichever Lua the installed `busted` command prefers.
-- SPDX-License-Identifier: MIT
require "busted.runner" { standalone = false }
