-- POST /upload: the body is the file. Its name comes in the query (fileName) or, URL-encoded, in the header X-File-Name.
-- Answers JSON: 201 with the media, else the reason, and whether the upload may be in the media library all the same.
-- luacheck: globals ngx
local json = require "cjson.safe"
local loomta = require "loomta"

local clients_fault = { invalid_media_file = 400, invalid_request = 400, unsupported_media_type = 415 }
local passed_on = { [400] = true, [404] = true, [409] = true, [413] = true, [415] = true, [422] = true }

local function status_of(err)
  if err.retryable then return 503 end
  if err.kind == "input" then return clients_fault[err.code] or 500 end
  if err.kind == "api" and passed_on[err.status] then return err.status end
  if err.kind == "timeout" then return 504 end
  return 502
end

local function answer(status, body)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.say(json.encode(body))
end

if ngx.req.get_method() ~= "POST" then
  ngx.header["Allow"] = "POST"
  return answer(405, { code = "method_not_allowed" })
end

ngx.req.read_body()
local path = ngx.req.get_body_file() -- where nginx put a large body, under a name that means nothing
local file = path and assert(io.open(path, "rb"))
local name = ngx.var.arg_fileName or ngx.var.http_x_file_name

local media, err = loomta.upload {
  file = file,
  data = not file and (ngx.req.get_body_data() or "") or nil,
  fileName = name and name ~= "" and ngx.unescape_uri(name) or nil,
  timeoutMs = 10 * 60 * 1000,
}
if file then file:close() end
if media then return answer(201, media) end

ngx.log(ngx.WARN, "upload: ", tostring(err)) -- which never contains the key
local status = status_of(err)
if status == 503 then ngx.header["Retry-After"] = math.ceil((err.retryAfterMs or 5000) / 1000) end
-- What is the server's own affair stays in its log.
local message = status < 500 and err.message or nil
return answer(status, { code = err.code, message = message, possiblyStored = err.possiblyStored })
