// What a program does with the official JavaScript client, against the server of the first argument,
// and, in the last step, against that of the second, which takes TLS and a password.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The client is installed elsewhere: in the folder of the third argument.
const [connectionString, guarded, installed] = process.argv.slice(2);
const kurrent = createRequire(`${installed}/`)("@kurrent/kurrentdb-client");
const { ANY, BACKWARDS, END, FORWARDS, NO_STREAM, START, KurrentDBClient, jsonEvent } = kurrent;
const { AccessDeniedError } = kurrent;
const { StreamDeletedError, StreamNotFoundError, WrongExpectedVersionError } = kurrent;

const client = KurrentDBClient.connectionString(connectionString);
const numbered = (from, to) =>
  Array.from({ length: to - from }, (_, index) =>
    jsonEvent({ type: "Numbered.v1", data: { number: from + index }, metadata: { cause: "ü" } }),
  );
const numbers = async (events) => {
  const found = [];
  for await (const { event } of events) found.push(event.data.number);
  return found;
};

async function appending() {
  const first = await client.appendToStream("größe-1", numbered(0, 3), { streamState: NO_STREAM });
  assert.equal(first.nextExpectedRevision, 2n);
  assert(first.position.commit > 0n);
  const second = await client.appendToStream("größe-1", numbered(3, 5), { streamState: 2n });
  assert.equal(second.nextExpectedRevision, 4n);

  for (const [streamState, actual] of [[NO_STREAM, 4n], [2n, 4n], [9n, 4n]]) {
    const late = client.appendToStream("größe-1", numbered(9, 10), { streamState });
    await assert.rejects(late, (error) => {
      assert(error instanceof WrongExpectedVersionError, String(error));
      assert.equal(error.streamName, "größe-1");
      assert.deepEqual([error.expectedState, error.actualState], [streamState, actual]);
      return true;
    });
  }
  const quiet = { streamState: 0n, throwOnAppendFailure: false };
  await client.appendToStream("größe-1", numbered(9, 10), quiet).catch(() => {});

  const event = jsonEvent({ type: "Once.v1", data: {}, id: "8b9a3b3e-6a38-4a0c-9f6a-5d0f8d6f2a11" });
  for (let time = 0; time < 2; time += 1) {
    const once = await client.appendToStream("once", event, { streamState: NO_STREAM });
    assert.equal(once.nextExpectedRevision, 0n);
  }
}

async function reading() {
  const all = { fromRevision: START, direction: FORWARDS };
  assert.deepEqual(await numbers(client.readStream("größe-1", all)), [0, 1, 2, 3, 4]);
  const back = { fromRevision: END, direction: BACKWARDS, maxCount: 2 };
  assert.deepEqual(await numbers(client.readStream("größe-1", back)), [4, 3]);
  const from = { fromRevision: 3n, direction: FORWARDS };
  assert.deepEqual(await numbers(client.readStream("größe-1", from)), [3, 4]);
  await assert.rejects(numbers(client.readStream("missing")), StreamNotFoundError);

  const types = [];
  for await (const { event } of client.readAll({ direction: FORWARDS, fromPosition: START })) {
    types.push(event.type);
  }
  assert.deepEqual(types, [...Array(5).fill("Numbered.v1"), "Once.v1"]);
}

async function subscribing() {
  const filter = kurrent.streamNameFilter({ prefixes: ["größe-"], checkpointInterval: 1 });
  const subscription = client.subscribeToAll({ fromPosition: START, filter });
  const found = [];
  await new Promise((resolve, reject) => {
    subscription.on("error", reject);
    subscription.on("data", ({ event }) => {
      found.push(event.data.number);
      if (event.data.number === 5) resolve();
    });
    subscription.on("caughtUp", () => {
      found.push("caught up");
      const live = client.appendToStream("größe-2", numbered(5, 6), { streamState: ANY });
      live.catch(reject);
    });
  });
  await subscription.unsubscribe();
  assert.deepEqual(found, [0, 1, 2, 3, 4, "caught up", 5]);
}

async function describing() {
  const metadata = { maxCount: 2, cacheControl: 7, acl: { readRoles: ["readers"] }, owner: "us" };
  await client.setStreamMetadata("größe-1", metadata);
  const told = await client.getStreamMetadata("größe-1");
  assert.deepEqual({ ...told.metadata }, metadata);
  assert.deepEqual(await numbers(client.readStream("größe-1")), [3, 4]);
}

async function ending() {
  await assert.rejects(
    client.deleteStream("größe-1", { expectedRevision: 0n }),
    WrongExpectedVersionError,
  );
  await client.deleteStream("größe-1", { expectedRevision: 4n });
  await assert.rejects(numbers(client.readStream("größe-1")), StreamNotFoundError);
  const again = await client.appendToStream("größe-1", numbered(5, 6), { streamState: NO_STREAM });
  assert.equal(again.nextExpectedRevision, 5n);
  assert.deepEqual(await numbers(client.readStream("größe-1")), [5]);

  await client.tombstoneStream("größe-1");
  await assert.rejects(numbers(client.readStream("größe-1")), StreamDeletedError);
  const late = client.appendToStream("größe-1", numbered(6, 7), { streamState: ANY });
  await assert.rejects(late, StreamDeletedError);
}

async function proving() {
  const known = KurrentDBClient.connectionString(guarded);
  await known.appendToStream("guarded", numbered(0, 3), { streamState: NO_STREAM });
  assert.deepEqual(await numbers(known.readStream("guarded")), [0, 1, 2]);
  await known.dispose();

  for (const credentials of ["", "ann:wrong@", "bob:not-secret@"]) {
    const stranger = KurrentDBClient.connectionString(guarded.replace(/ann:.*@/, credentials));
    const late = stranger.appendToStream("guarded", numbered(3, 4), { streamState: ANY });
    await assert.rejects(late, AccessDeniedError);
    await assert.rejects(numbers(stranger.readStream("guarded")), AccessDeniedError);
    await assert.rejects(stranger.deleteStream("guarded"), AccessDeniedError);
    await stranger.dispose();
  }
}

for (const step of [appending, reading, subscribing, describing, ending, proving]) {
  await step();
  console.log(step.name);
}
await client.dispose();
