/** Two friendly words for a machine that nobody named: easy to say, to type and to tell apart. */
import { randomInt } from "node:crypto";
import { EXIT, Fault } from "../errors.ts";

const ADJECTIVES =
	"amber apt brave brisk calm clear cosy crisp dainty eager early easy fair fancy fleet fond fresh gentle glad golden grand happy hardy honest jolly keen kind light lively lucky mellow merry mild misty neat nimble noble pale patient plain polite proud quick quiet rapid ready rosy royal sharp shy silver sleek smart snug soft solid spry stout sunny sure swift tidy warm wise witty young".split(
		" ",
	);
const NOUNS =
	"acorn badger banjo beacon birch bison breeze brook cedar clover comet coral crane creek daisy dune elm falcon fern finch fjord fox gecko glade grove harbor hare hazel heron ibex iris island ivy jay juniper koala lake lark lemur lily lotus lynx maple marten meadow mole moose moss newt oak olive orchid otter owl panda pebble pine plum pond poppy puffin quail raven reed river robin rose sage seal spruce stork swan tern thyme tulip violet walnut willow wren".split(
		" ",
	);

/** Longest name: the folder's sockets have to fit into 108 bytes. */
export const NAME_CHARS_MAX = 32;
export const NAME = /^[a-z0-9][a-z0-9-]*$/;

export function friendlyName(): string {
	const pick = (words: readonly string[]) => words[randomInt(words.length)];
	return `${pick(ADJECTIVES)}-${pick(NOUNS)}`;
}

/** @throws Fault if `name` cannot be a machine's name. */
export function checkName(name: string): void {
	if (NAME.test(name) && name.length <= NAME_CHARS_MAX) return;
	throw new Fault(`"${name}" cannot be the name of a machine`, {
		why: `a name has lower-case letters, digits and dashes, begins with a letter or digit, and has at most ${NAME_CHARS_MAX} characters`,
		exitCode: EXIT.usage,
	});
}
