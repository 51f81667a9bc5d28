// A durable consumer of ticketing's public events.
//
//   npm ci && NATS_URL=nats://127.0.0.1:4222 GROUP=mailer HANDLED=handled.txt node consumer.mjs
//
// The server remembers how far the group has come; several with the same GROUP share the work. An
// event that was not acknowledged comes again, so its id is stored together with what was done for
// it. One that cannot be handled is tried a few times and then set aside as a dead letter.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

const ATTEMPTS_MAX = 3;
const {
  NATS_URL = "127.0.0.1:4222",
  STREAM = "TICKETING",
  GROUP = "example",
  HANDLED = "handled.txt",
  POISON = "",
} = process.env;

// What was done, with the ids of the events it was done for. In your program this is a table in the
// database that holds the effect, written in the same transaction.
const lines = existsSync(HANDLED) ? readFileSync(HANDLED, "utf8").split("\n") : [];
const handled = new Set(lines.map((line) => line.split(" ")[0]));

const connection = await connect({ servers: NATS_URL });
const manager = await jetstreamManager(connection);
await manager.consumers.add(STREAM, {
  durable_name: GROUP,
  filter_subject: "ticketing.>", // All events; ticketing.ticket.*.sold would be one kind.
  ack_policy: AckPolicy.Explicit,
  ack_wait: 30 * 1_000_000_000,
});
const nats = jetstream(connection);
const consumer = await nats.consumers.get(STREAM, GROUP);
console.log(`consuming as ${GROUP}`);

for await (const message of await consumer.consume({ max_messages: 100 })) {
  const id = message.headers.get("ce-id");
  if (handled.has(id)) {
    message.ack();
    continue;
  }
  try {
    // One write, so that effect and id are there together or not at all.
    appendFileSync(HANDLED, `${id} ${handle(message)}\n`, { flush: true });
    handled.add(id);
    message.ack();
  } catch (error) {
    await failed(message, error);
  }
}

// What there is to do for an event. Here: a line about it.
function handle(message) {
  const type = message.headers.get("ce-type");
  if (type === POISON) throw new Error(`cannot handle ${type}`);
  return `${type} ${message.headers.get("ce-subject")}`;
}

// Tries again later, or sets the event aside.
async function failed(message, error) {
  const attempt = message.info.deliveryCount;
  if (attempt < ATTEMPTS_MAX) {
    message.nak(200 * attempt);
    return;
  }
  const inner = message.subject.replace(/^ticketing\./, "");
  const about = headers();
  for (const name of ["ce-id", "ce-type", "ce-subject", "ce-time"]) {
    about.set(name, message.headers.get(name));
  }
  about.set("Dead-Letter-Reason", error.message);
  await nats.publish(`ticketing-dead-letters.${GROUP}.${inner}`, message.data, { headers: about });
  console.log(`set aside: ${error.message}`);
  message.term();
}
