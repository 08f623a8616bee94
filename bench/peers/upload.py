# python3 bench/peers/upload.py URL PATH COUNT AT-ONCE [CA]
# SPDX-License-Identifier: MIT
import sys
import threading

import requests
from requests_toolbelt import MultipartEncoder

url, path, count, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ca = sys.argv[5] if len(sys.argv) > 5 else True


def work(share):
    session = requests.Session()
    session.trust_env = False
    session.verify = ca
    for _ in range(share):
        with open(path, "rb") as file:
            form = MultipartEncoder({"file": ("clip.mp4", file, "video/mp4")})
            headers = {"Authorization": "Bearer k", "Content-Type": form.content_type}
            answer = session.post(url + "/public/v1/media", data=form, headers=headers)
        if answer.status_code != 201:
            raise SystemExit("status %d" % answer.status_code)
        answer.json()


threads = [threading.Thread(target=work, args=((count + i) // at_once,)) for i in range(at_once)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
