"""The process in which vendors' payload codecs run: QuickJS, without a host, under limits that the kernel enforces.

Belongs here: what the process that runs codecs does, and the JavaScript around a codec. Does not: contracts, DuckDB,
or who starts the process (codecs.py). It is run as a script, isolated, and imports nothing of ours.

Why a process: QuickJS looks at its time limit between instructions only. A regular expression that backtracks or
`[].indexOf` of a huge length never comes back to it, and a deeply nested object overflows the C stack in
`JSON.stringify`. Here the kernel ends the process, and the parent starts another at the next frame.

Requests are lines of JSON on stdin: `{"codec": KEY, "source": TEXT}` makes a codec known, `{"codec": KEY, "frames":
[[HEX, PORT, MILLISECONDS], ...]}` asks for frames. The answers are one line a frame: a letter and a text.
  d data, as JSON · r refused by the codec's `errors` · t thrown · n no object · l too long · s the source does not load
  i interrupted, and the rest of the request is not looked at · m memory
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

import quickjs

SOFT_S = 0.1  # of processor time for one frame: a thousand times what a codec takes
HARD_S = 1.0  # ... after which the kernel ends the process
WALL_S = 60.0  # without an end of frame or a request: an idle process ends by itself
MEMORY = 16 << 20  # bytes that a codec may hold
PROCESS_MEMORY = 512 << 20
STACK = 256 << 10
LONGEST = 64 << 10  # characters of an answer

# What stands around a codec. Its text is compiled once and run anew for each frame, so that its variables start fresh;
# what it could change for the frames after it is frozen (after a first run, in which it may add what it lacks) or
# deleted again. There is no clock and no chance: the same frame gives the same object on every run.
HARNESS = """
(function (source, longest) {
  "use strict";
  const RealDate = Date, Failure = InternalError, {stringify} = JSON;
  const {ownKeys, construct, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf} = Reflect;
  const {freeze} = Object, {isArray} = Array, text = String, toInt = parseInt, world = globalThis;
  let now = 0;
  const FrameDate = new Proxy(RealDate, {
    construct: (target, args, made) => construct(target, args.length ? args : [now], made),
    apply: () => new RealDate(now).toString(),
  });
  RealDate.now = () => now;
  RealDate.prototype.constructor = FrameDate;
  Math.random = () => 0.5;
  world.Date = FrameDate;
  const quiet = () => undefined;
  world.console = {log: quiet, info: quiet, warn: quiet, error: quiet, debug: quiet, trace: quiet};
  const ours = new Set(ownKeys(world)), parent = getPrototypeOf(world);

  const body = new Function("module", "exports", source +
    "\\n;return typeof decodeUplink === 'function' ? decodeUplink : module.exports.decodeUplink;");
  const load = () => { const module = {exports: {}}; return body.call(undefined, module, module.exports); };

  const clean = () => {
    const keys = ownKeys(world);
    if (keys.length !== ours.size) {
      for (const key of keys) if (!ours.has(key) && !deleteProperty(world, key)) return false;
    }
    return getPrototypeOf(world) === parent;
  };
  const settle = () => {
    const seen = new Set([world]), todo = ownKeys(world).map((key) => world[key]);
    while (todo.length) {
      const value = todo.pop();
      if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
      seen.add(value);
      todo.push(getPrototypeOf(value));
      for (const key of ownKeys(value)) {
        const found = getOwnPropertyDescriptor(value, key);
        todo.push(found.value, found.get, found.set);
      }
      freeze(value);
    }
    for (const key of ours) {
      if (getOwnPropertyDescriptor(world, key).configurable) {
        Object.defineProperty(world, key, {writable: false, configurable: false});
      }
    }
  };

  const judge = (output) => {
    if (output === null || typeof output !== "object") return "n";
    const errors = output.errors;
    if (errors !== undefined && errors !== null) {
      const said = isArray(errors) ? errors.map(text).join(" ; ") : text(errors);
      if (isArray(errors) ? errors.length : said) return "r" + said;
    }
    const data = output.data;
    if (data === null || typeof data !== "object" || isArray(data)) return "n";
    const json = stringify(data);
    if (typeof json !== "string") return "n";
    return json.length > longest ? "l" : "d" + json;
  };

  if (typeof load() !== "function") throw new TypeError("decodeUplink is not a function");
  if (!clean()) throw new TypeError("the codec changes the global object");
  settle();
  return (hex, port, time) => {
    now = time;
    const bytes = [];
    for (let i = 0; i < hex.length; i += 2) bytes[i / 2] = toInt(hex[i] + hex[i + 1], 16);
    let answer, doubt = "";
    try {
      answer = judge(load()({bytes, fPort: port, recvTime: new RealDate(time)}));
    } catch (error) {
      if (error === null || error instanceof Failure) doubt = "!";
      answer = "t" + (typeof error === "object" && error !== null ? text(error.message) : text(error));
      if (answer === "tout of memory") answer = "m";
      // without the memory to make an error, QuickJS throws null, as a codec may
      if (error === null) answer = "tnull (ou mémoire dépassée)";
    }
    return (clean() ? doubt : "!") + answer;
  };
})
"""


class Codec:
    """One codec in a context of its own, made anew when a frame leaves it in doubt."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._decode: quickjs.Object | None = None
        self._fault: str | None = None

    def answer(self, payload: str, port: int, time: int) -> str:
        """What the codec makes of a frame, as a letter and a text."""
        if self._fault is None and self._decode is None:
            self._load()
        if self._fault is not None:
            return self._fault
        try:
            # a float: the binding cuts integers to 32 bits
            answer = str(self._decode(payload, port, float(time)))  # type: ignore[misc]
        except quickjs.JSException as error:
            self._decode = None
            return _uncaught(error)
        except (UnicodeError, ValueError, TypeError):  # a text that is none: half a character, a NUL
            self._decode = None
            return "t"
        if answer.startswith("!"):
            self._decode = None
        return answer.removeprefix("!")

    def _load(self) -> None:
        context = quickjs.Context()
        context.set_memory_limit(MEMORY)
        context.set_time_limit(SOFT_S)
        context.set_max_stack_size(STACK)
        try:
            self._decode = context.eval(HARNESS)(self._source, LONGEST)
        except quickjs.JSException as error:
            self._fault = "s" + str(error).split("\n", 1)[0]


def _uncaught(error: Exception) -> str:
    """What JavaScript cannot catch is the end of its time or memory (there is then no memory left to say so)."""
    said = str(error).split("\n", 1)[0]
    if "interrupted" in said:
        return "i"
    return "m" if said in ("null", "") or "out of memory" in said else f"t{said}"


def _limit() -> None:
    for what, most in ((resource.RLIMIT_AS, PROCESS_MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 16)):
        resource.setrlimit(what, (most, most))
    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)  # ends the process, whatever it is doing
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's


def _wind() -> None:
    signal.setitimer(signal.ITIMER_PROF, HARD_S)
    signal.setitimer(signal.ITIMER_REAL, WALL_S)


def main() -> None:
    """Answer requests until stdin ends."""
    _limit()
    codecs: dict[str, Codec] = {}
    _wind()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "source" in request:
            codecs[request["codec"]] = Codec(request["source"])
        for payload, port, time in request.get("frames", ()):
            _wind()
            answer = codecs[request["codec"]].answer(payload, port, time)
            line_out = answer.replace("\n", " ").replace("\r", " ") + "\n"
            os.write(sys.stdout.fileno(), line_out.encode("utf-8", errors="replace"))
            if answer.startswith("i"):
                break
        _wind()


if __name__ == "__main__":
    main()
