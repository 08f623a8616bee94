--- Folders of the library by the names that people know them by.
-- SPDX-License-Identifier: MIT
local errors = require "loomta.errors"
local types = require "loomta.types"

local folders = {}

local function not_found(message) return nil, errors.input("folder_not_found", message, "folder") end

--- The id of a folder.
---@param client loomta.Client
---@param name string? or its id, or "null"
---@param create boolean? make it, where there is none
---@return string? id nil also where none was named
---@return loomta.Error? err
function folders.find(client, name, create)
  if not name then return nil end
  if types.folderId(name) then return name end
  local list, err = client:listMediaFolders()
  if not list then return nil, err end
  local found = {}
  for _, folder in ipairs(list.folders) do
    if folder.name == name then found[#found + 1] = folder.id end
  end
  if #found > 1 then
    return not_found(("%d folders are called '%s': give the id of one, %s"):format(#found, name, table.concat(found, " or ")))
  elseif found[1] then
    return found[1]
  elseif create then
    local folder
    folder, err = client:createMediaFolder { name = name }
    return folder and folder.id, err
  end
  return not_found(("no folder is called '%s'; --create-folder makes it"):format(name))
end

return folders
