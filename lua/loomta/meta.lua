---@meta

--- Everything that programs see of this library, for editors and for the reference: options, what operations take and answer,
--- errors. It is never run. A spec compares it with the tables that the code goes by.
-- SPDX-License-Identifier: MIT

--- What every call and every client takes. What a call leaves out is its client's, then the default.
---@class (exact) loomta.Options
---@field apiKey string? the key, `loomta_sk_…`; else LOOMTA_API_KEY, else ~/.loomta/credentials.json
---@field baseUrl string? where the API is; else LOOMTA_API_URL, else that of the credentials file where the key comes
---from there, else https://api.loomta.com
---@field allowHttp boolean? let the key go unencrypted to a host that is not this machine; default false
---@field timeoutMs integer? for the whole call with its retries; 0 = none (default)
---@field connectTimeoutMs integer? for name, connection and TLS of one attempt; default 10000
---@field idleTimeoutMs integer? for a connection on which no byte moves; 0 = none, default 60000
---@field maxRetries integer? after the first attempt; default 2
---@field maxElapsedMs integer? no retry begins later than this after the first attempt; 0 = no limit (default)
---@field retryUnknown boolean? repeat also what may have been stored: it may then be stored twice; default false
---@field reconcile boolean|"exact"|nil look for an upload of unknown outcome before repeating it once; default false
---@field maxBytesPerSec integer? the fastest that each upload may go, in a bulk run all together; 0 = no limit (default)
---@field maxResponseBytes integer? the largest answer that is read; 0 = no limit, default 1 MiB
---@field proxy string? URL of a proxy; else the environment's (https_proxy, no_proxy …)
---@field caFile string? PEM file of the authorities to trust instead of the system's
---@field caPath string? folder of such files, hashed
---@field verify boolean? check the server's certificate and name; default true
---@field clientCert string? PEM file of our own certificate
---@field clientKey string? PEM file of its private key
---@field userAgent string? appended to ours
---@field preflight boolean? look at a file before it is sent; default true
---@field delayMs integer? wait so long before the request is sent; timeoutMs runs already; default 0
---@field onProgress (fun(sent: integer, total: integer?): boolean?)? bytes of the file; returning false cancels
---@field onRetry (fun(err: loomta.Error, attempt: integer, delayMs: number))? before each wait for another attempt
---@field onDone (fun(value: any, err: loomta.Error?, info: loomta.Info))? `start` only: called once the call has ended
---@field maxConnections integer? `new` only: how many of the client's jobs are sent at once, the others wait; default 64

--- What `upload` takes: exactly one of `file`, `data` and `reader`, and what is to be known about it.
---@class (exact) loomta.Upload: loomta.Options
---@field file (string|file*)? a path, or an open handle on a regular file: read whole, neither moved nor closed
---@field data string? the bytes themselves
---@field reader (fun(): string?, any)? called for the next piece until it returns nil; `nil, why` is a failure
---@field size integer? how many bytes the reader will give, when that is known
---@field fileName string? what to call it; else the path's last component
---@field mimeType string? one of the five accepted types; else inferred from the content
---@field mediaType "image"|"video"|nil what it is for; else the server tells by the type
---@field folderId string|lightuserdata|nil a folder's UUID; "null" or loomta.null for the root

--- What `uploads` takes besides: options of the whole run.
---@class (exact) loomta.BulkOptions: loomta.Options
---@field concurrency integer? how many uploads are under way at once; default 4
---@field journal string? path of a file that remembers what was uploaded: a later run with it goes on where this one ended
---@field checksum boolean? the journal knows files by the SHA-256 of their content, not by path, size and time of change; default
---false
---@field folderId string|lightuserdata|nil for each request that names none
---@field mimeType string? likewise
---@field mediaType "image"|"video"|nil likewise

---@class (exact) loomta.ListMediaRequest: loomta.Options
---@field folderId string|lightuserdata|nil a folder's UUID; "null" or loomta.null for the root; none: all
---@field mediaType "image"|"video"|nil

---@class (exact) loomta.CreateMediaFolderRequest: loomta.Options
---@field name string 1 to 255 characters; need not be unique

---@class (exact) loomta.GetPlatformSchemaRequest: loomta.Options
---@field id string a platform's UUID

---@class (exact) loomta.PostRequest: loomta.Options
---@field platformIds string[] at least one
---@field content string at least one character
---@field mode "draft"|"now"|"schedule"
---@field scheduledFor string? date-time, with mode "schedule" only
---@field mediaIds (string|loomta.Media)[]? media objects must be READY
---@field settings table? what the platform's schema declares, such as privacy_level
---@field comments loomta.Comment[]? posted below it
---@field validate boolean? look first whether all platforms take it, by their schemas and the list of media

---@class (exact) loomta.Comment
---@field content string at least one character
---@field delayInMinutes integer?
---@field mediaIds (string|loomta.Media)[]?
---@field settings table?

---@class (exact) loomta.ListPostsRequest: loomta.Options
---@field query table<string, string|number|boolean>? parameters for the server, as they are: none is documented

---@class (exact) loomta.GetPostRequest: loomta.Options
---@field id string a post's UUID

---@class (exact) loomta.ReschedulePostRequest: loomta.Options
---@field id string a post's UUID
---@field scheduledFor string date-time

---@class (exact) loomta.GenerateSlideshowCaptionRequest: loomta.Options
---@field userRequest string 1 to 500 characters
---@field slideCount integer 3 to 10
---@field language string?
---@field slideLength "short"|"medium"|"long"|nil

---@class (exact) loomta.CompositeSlidesRequest: loomta.Options
---@field json any what the server takes, which is not documented

---@class (exact) loomta.PollDeviceTokenRequest: loomta.Options
---@field device_code string from `startDeviceAuthorization`

--- Anything that the API may have and this library does not name.
---@class (exact) loomta.Request: loomta.Options
---@field method "GET"|"POST"|"PUT"|"PATCH"|"DELETE"|nil default "GET"
---@field path string below the base URL, "/public/v1/…"
---@field query table<string, string|number|boolean>?
---@field json any the body

---@class (exact) loomta.LoginRequest: loomta.Options
---@field onCode fun(userCode: string, url: string) called with what the user is to confirm in a browser
---@field save boolean? write the key into ~/.loomta/credentials.json; false: it is in the answer, as apiKey; default true

---@class loomta.Media
---@field id string UUID; posts refer to media by it
---@field status "PENDING"|"READY" only READY media goes into a post
---@field storageKey string
---@field publicUrl string
---@field previewUrl string
---@field mimeType string
---@field size integer? bytes
---@field mediaType "image"|"video"|"audio"|"file"
---@field originalFileName string
---@field thumbnailMetadata table?
---@field finalizedAt string? date-time
---@field folderId string?
---@field createdAt string date-time

---@class loomta.MediaList
---@field media loomta.Media[]

---@class loomta.Folder
---@field id string UUID
---@field organizationId string UUID
---@field name string
---@field createdAt string date-time
---@field updatedAt string date-time

---@class loomta.FolderList
---@field folders loomta.Folder[]

---@class loomta.Platform
---@field id string UUID
---@field provider string "tiktok"
---@field providerName string
---@field providerAccountId string
---@field displayName string?
---@field displayHandle string?
---@field displayImageUrl string?
---@field disabled boolean
---@field refreshNeeded boolean the account has to be connected anew
---@field tokenExpiresAt string? date-time
---@field capabilities string[]
---@field metadata table
---@field settings table

---@class loomta.PlatformList
---@field platforms loomta.Platform[]

---@class loomta.PlatformSchema
---@field platform loomta.Platform
---@field schema loomta.Schema

--- What a platform takes.
---@class loomta.Schema
---@field provider string
---@field content { required: boolean, maxLength: integer? }
---@field media { required: boolean, allowedTypes: string[], minItems: integer, maxItems: integer, supportsMixedTypes: boolean, rules: string[] }
---@field comments { supported: boolean, mediaSupported: boolean, delayInMinutesSupported: boolean }
---@field settings { fields: loomta.SchemaField[] }

---@class loomta.SchemaField
---@field name string
---@field type "string"|"boolean"|"enum"
---@field required boolean
---@field default any
---@field enum string[]? what an enum may be
---@field description string?

---@class loomta.PostResult
---@field results table[] what the server said of each platform
---@field created { platformId: string, post: loomta.PostGroup }[] those of them that went well
---@field failed table[] those that did not; empty unless there is an error as well

---@class loomta.PostGroup
---@field root loomta.Post
---@field children loomta.Post[] its comments

---@class loomta.Post
---@field id string
---@field groupId string
---@field parentPostId string?
---@field integrationId string
---@field content string
---@field state "DRAFT"|"QUEUE"|"PUBLISHED"|"ACTION_REQUIRED"|"ERROR"
---@field scheduledFor string? date-time
---@field delayInMinutes integer?
---@field releaseId string?
---@field releaseUrl string? where it can be seen
---@field settings table
---@field mediaIds string[]
---@field errorText string?
---@field createdAt string date-time
---@field updatedAt string date-time

---@class loomta.SlideshowCaption
---@field caption string
---@field slides { index: integer, caption: string }[]

---@class loomta.DeviceAuthorization
---@field device_code string for `pollDeviceToken`
---@field user_code string what the user confirms
---@field verification_uri string where
---@field verification_uri_complete string the same with the code in it
---@field interval integer seconds between two questions
---@field expires_in integer seconds until the code is too old

---@class loomta.DeviceToken
---@field status string
---@field api_key string given once

---@class loomta.Login
---@field apiUrl string
---@field path string? the file that was written
---@field apiKey string? with `save = false`

--- What a call took. Always there, also after a failure.
---@class (exact) loomta.Info
---@field status integer? HTTP status, when the server answered
---@field attempts integer how many times the request was sent; 0 when it was refused here
---@field bytesSent integer bytes of the file that the network took in the last attempt
---@field totalBytes integer? the file's size, when it is known
---@field durationMs number the whole call, with retries and waits
---@field connectMs number? of the last attempt, as all that follow: name and connection; 0 on a reused one
---@field tlsMs number? the TLS handshake; 0 on a reused connection
---@field firstByteMs number? from the attempt's start to the first byte of the answer
---@field reusedConnection boolean?
---@field reconciled boolean? the answer was lost, and the upload was found in the list of media
---@field skipped boolean? `uploads` only: nothing was sent, for the file had been uploaded before
---@field httpVersion string?
---@field requestId string? the server's X-Request-Id

--- Why a call failed: to branch on, and, by `tostring`, to read.
---@class (exact) loomta.Error
---@field code loomta.ErrorCode stable: the API's own code, or one of ours
---@field message string for people; may change
---@field details any? the API's, or ours in the same shape: `{ { path = { "folderId" }, message = "…" } }`
---@field status integer? HTTP status, when the server answered
---@field kind loomta.ErrorKind what sort of failure it is
---@field retryable boolean calling again may help and cannot store twice
---@field possiblyStored boolean the server may have stored the upload
---@field attempts integer how many times the request was sent
---@field retryAfterMs integer? how long the server asked to wait
---@field result loomta.PostResult? createPosts only: what the server answered, with `created` and `failed`
---@field cause string? the layer below in its own words (libcurl, the system, a reader)
---@field private unseen loomta.Error? of an upload of unknown outcome: why nobody could look for it

---@alias loomta.ErrorKind "input"|"auth"|"api"|"rate_limit"|"server"|"network"|"timeout"|"canceled"|"protocol"

--- Those that this library gives by itself. The server's own are passed on as they come.
---@alias loomta.ErrorCode
---| "outcome_unknown"
---| "invalid_response"
---| "response_too_large"
---| "missing_api_key"
---| "invalid_api_key"
---| "invalid_media_file"
---| "unsupported_media_type"
---| "invalid_request"
---| "media_not_ready"
---| "partial_failure"
---| "post_failed"
---| "invalid_option"
---| "file_read_failed"
---| "file_changed"
---| "dns_failed"
---| "connect_failed"
---| "tls_failed"
---| "network_error"
---| "timeout"
---| "canceled"
---| "not_started"
---| "expired_token"
---| "credentials_failed"
---| "journal_locked"
---| "journal_failed"
---| "queue_unreachable"
---| "queue_failed"
---| "queue_held"
---| "queue_closed"
---| "queue_module_missing"
---| "lease_lost"
---| "too_many_deliveries"
---| "would_block"
---| "out_of_resources"
---| "out_of_memory"
---| string

--- Where a queue is.
---@class loomta.QueueOptions
---@field url string? `redis://[user:password@]host[:port]/db/NAME`, `rediss://…`, `redis+unix:///path?db=0&name=NAME`; else that of LOOMTA_QUEUE_URL
---@field caFile string? whom to trust with rediss://; else whom the system trusts
---@field timeoutMs integer? how long Redis may take for an answer; default 5000
---@field patienceMs integer? how long `enqueue`, `status` and `results` try again while Redis cannot be reached; default 30000

--- What a worker is told, besides options of uploads such as `timeoutMs` and `maxRetries`.
---@class loomta.WorkOptions
---@field client loomta.Client? else one of the environment's
---@field concurrency integer? default 4
---@field leaseMs integer? after so long others take over what a silent worker had; default 60000
---@field maxDeliveries integer? how often a file is tried before it is a dead letter; default 5
---@field filesPerSecond number? the most that all workers together begin; default 0: no limit
---@field wait boolean? when the queue is empty, wait for more
---@field onResult fun(record: table)? what came of a file, as `loomta-upload --json` prints it
---@field onOutage fun(err: loomta.Error?)? Redis does not answer, and is waited for; without err: it answers again
---@field onTick fun(run: loomta.Uploads)? ten times a second; `run:stop()` drains, `run:close()` cancels

--- Calls that share settings and connections. Each operation is a method of it.
---@class loomta.Client
--- Uploads one image or video and waits for the answer: the media as the server describes it.
---@field upload fun(self: loomta.Client, given: loomta.Upload): loomta.Media?, loomta.Error?, loomta.Info
--- Lists media.
---@field listMedia fun(self: loomta.Client, given: loomta.ListMediaRequest?): loomta.MediaList?, loomta.Error?, loomta.Info
--- Lists the folders that media can be in. They are flat: none is inside another.
---@field listMediaFolders fun(self: loomta.Client, given: loomta.Options?): loomta.FolderList?, loomta.Error?, loomta.Info
--- Makes a folder. Calling it again makes another one.
---@field createMediaFolder fun(self: loomta.Client, given: loomta.CreateMediaFolderRequest): loomta.Folder?, loomta.Error?, loomta.Info
--- Lists the accounts that can be posted to.
---@field listPlatforms fun(self: loomta.Client, given: loomta.Options?): loomta.PlatformList?, loomta.Error?, loomta.Info
--- Says what a platform takes.
---@field getPlatformSchema fun(self: loomta.Client, given: loomta.GetPlatformSchemaRequest): loomta.PlatformSchema?, loomta.Error?, loomta.Info
--- Posts to one or more platforms, each for itself: some may fail, and then there is a result and an error.
---@field createPosts fun(self: loomta.Client, given: loomta.PostRequest): loomta.PostResult?, loomta.Error?, loomta.Info
--- Lists posts. What it answers is not documented.
---@field listPosts fun(self: loomta.Client, given: loomta.ListPostsRequest?): any, loomta.Error?, loomta.Info
--- Gives a post with its comments.
---@field getPost fun(self: loomta.Client, given: loomta.GetPostRequest): loomta.PostGroup?, loomta.Error?, loomta.Info
--- Moves a post to another time.
---@field reschedulePost fun(self: loomta.Client, given: loomta.ReschedulePostRequest): loomta.PostGroup?, loomta.Error?, loomta.Info
--- Has captions written for slides.
---@field generateSlideshowCaption fun(self: loomta.Client, given: loomta.GenerateSlideshowCaptionRequest): loomta.SlideshowCaption?, loomta.Error?, loomta.Info
--- Has slides composed. What it answers is not documented.
---@field compositeSlides fun(self: loomta.Client, given: loomta.CompositeSlidesRequest): any, loomta.Error?, loomta.Info
--- Begins a login.
---@field startDeviceAuthorization fun(self: loomta.Client, given: loomta.Options?): loomta.DeviceAuthorization?, loomta.Error?, loomta.Info
--- Asks whether a login was confirmed.
---@field pollDeviceToken fun(self: loomta.Client, given: loomta.PollDeviceTokenRequest): loomta.DeviceToken?, loomta.Error?, loomta.Info
--- Calls anything else. An answer without a body is `true`.
---@field request fun(self: loomta.Client, given: loomta.Request): any, loomta.Error?, loomta.Info
--- Logs in: the user confirms a code in a browser, and the key is kept.
---@field login fun(self: loomta.Client, given: loomta.LoginRequest): loomta.Login?, loomta.Error?, loomta.Info

--- `require "loomta"`: the same operations on a client that is made from the environment at their first use.
---@class (exact) loomta.Module
--- Makes a client. The key and the host may come later, with the first call.
---@field new fun(given: loomta.Options?): loomta.Client?, loomta.Error?
--- Uploads one image or video and waits for the answer: the media as the server describes it.
---@field upload fun(given: loomta.Upload): loomta.Media?, loomta.Error?, loomta.Info
--- Lists media.
---@field listMedia fun(given: loomta.ListMediaRequest?): loomta.MediaList?, loomta.Error?, loomta.Info
--- Lists the folders that media can be in. They are flat: none is inside another.
---@field listMediaFolders fun(given: loomta.Options?): loomta.FolderList?, loomta.Error?, loomta.Info
--- Makes a folder. Calling it again makes another one.
---@field createMediaFolder fun(given: loomta.CreateMediaFolderRequest): loomta.Folder?, loomta.Error?, loomta.Info
--- Lists the accounts that can be posted to.
---@field listPlatforms fun(given: loomta.Options?): loomta.PlatformList?, loomta.Error?, loomta.Info
--- Says what a platform takes.
---@field getPlatformSchema fun(given: loomta.GetPlatformSchemaRequest): loomta.PlatformSchema?, loomta.Error?, loomta.Info
--- Posts to one or more platforms, each for itself: some may fail, and then there is a result and an error.
---@field createPosts fun(given: loomta.PostRequest): loomta.PostResult?, loomta.Error?, loomta.Info
--- Lists posts. What it answers is not documented.
---@field listPosts fun(given: loomta.ListPostsRequest?): any, loomta.Error?, loomta.Info
--- Gives a post with its comments.
---@field getPost fun(given: loomta.GetPostRequest): loomta.PostGroup?, loomta.Error?, loomta.Info
--- Moves a post to another time.
---@field reschedulePost fun(given: loomta.ReschedulePostRequest): loomta.PostGroup?, loomta.Error?, loomta.Info
--- Has captions written for slides.
---@field generateSlideshowCaption fun(given: loomta.GenerateSlideshowCaptionRequest): loomta.SlideshowCaption?, loomta.Error?, loomta.Info
--- Has slides composed. What it answers is not documented.
---@field compositeSlides fun(given: loomta.CompositeSlidesRequest): any, loomta.Error?, loomta.Info
--- Begins a login.
---@field startDeviceAuthorization fun(given: loomta.Options?): loomta.DeviceAuthorization?, loomta.Error?, loomta.Info
--- Asks whether a login was confirmed.
---@field pollDeviceToken fun(given: loomta.PollDeviceTokenRequest): loomta.DeviceToken?, loomta.Error?, loomta.Info
--- Calls anything else. An answer without a body is `true`.
---@field request fun(given: loomta.Request): any, loomta.Error?, loomta.Info
--- Logs in: the user confirms a code in a browser, and the key is kept.
---@field login fun(given: loomta.LoginRequest): loomta.Login?, loomta.Error?, loomta.Info
--- Starts an operation and returns at once: see `client:start`.
---@field start fun(name: string|loomta.Upload, given: table?): loomta.Job?, loomta.Error?, loomta.Info?
--- Runs the callbacks that are due: see `client:poll`.
---@field poll fun(timeoutMs: integer?): integer
--- A descriptor that is readable while `poll` has something to do: see `client:fd`.
---@field fd fun(): integer?, loomta.Error?
--- Uploads many files, several at once: see `client:uploads`.
---@field uploads fun(requests: (loomta.Upload|string)[]|(fun(): loomta.Upload|string|false|nil), opts: loomta.BulkOptions?): loomta.Uploads
--- Opens a queue that many workers share: docs/queue.md.
---@field queue fun(given: loomta.QueueOptions?): loomta.Queue?, loomta.Error?
--- Says whether an upload would be refused here: see `client:preflight`.
---@field preflight fun(given: loomta.Upload): { fileName: string, mimeType: string, size: integer? }?, loomta.Error?
--- JSON's null, where a field is to be sent as such.
---@field null lightuserdata
--- This library's, "1.2.3".
---@field version string
local loomta = {}

--- Passes on what a call gave, and raises its error as one line of text: for scripts that stop at the first failure.
---@generic T
---@param value T?
---@param err loomta.Error?
---@param ... any
---@return T value
---@return loomta.Error? err
---@return any ...
function loomta.check(value, err, ...) end

--- Marks a table as a list, so that it is sent as `[]` also when it is empty.
---@generic T
---@param list T[]
---@return T[] list the same table
function loomta.array(list) end

return loomta
