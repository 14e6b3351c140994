/** The root half as a process of its own, over a made-up machine: `ROOT` and then the words of the helper's grammar. */
import { parseHelperWords } from "../../../src/vfio/grammar.ts";
import { serveRequest } from "../../../src/vfio/guardian.ts";
import { StreamLine } from "../../../src/vfio/line.ts";
import { FakeMachine, USER } from "./fake-machine.ts";

const [root = "", ...words] = process.argv.slice(2);
const request = parseHelperWords(words);
if (request === null) process.exit(2);
const ending = new AbortController();
process.on("SIGTERM", () => ending.abort());
const line = new StreamLine(process.stdin, (text) => process.stdout.write(text), ending.signal);
// Without processes for the writes, so that a kill can come between any two of them quickly.
const isDone = await serveRequest(request, USER, new FakeMachine(root).world(true), line);
process.exit(isDone ? 0 : 1);
