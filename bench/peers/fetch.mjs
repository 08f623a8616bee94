// node bench/peers/fetch.mjs URL PATH COUNT AT-ONCE
// SPDX-License-Identifier: MIT
import { openAsBlob } from 'node:fs';

const [url, path, count, atOnce] = process.argv.slice(2);

async function upload() {
  const form = new FormData();
  form.append('file', await openAsBlob(path, { type: 'video/mp4' }), 'clip.mp4');
  const answer = await fetch(`${url}/public/v1/media`, {
    method: 'POST', body: form, headers: { authorization: 'Bearer k' },
  });
  if (answer.status !== 201) throw new Error(`status ${answer.status}`);
  await answer.json();
}

let left = Number(count);
await Promise.all(Array.from({ length: Number(atOnce) }, async () => {
  while (left-- > 0) await upload();
}));
