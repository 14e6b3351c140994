/** The Fault that a piece of work ends with. */
import { Fault } from "../../src/errors.ts";

/** @throws whatever else `work` throws, and Error if it throws nothing. */
export function faultOf(work: () => unknown): Fault {
	try {
		work();
	} catch (error) {
		if (error instanceof Fault) return error;
		throw error;
	}
	throw new Error("no fault");
}
