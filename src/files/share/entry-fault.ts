/** Refused by us, with the code that the system would give. */
export class EntryFault extends Error {
	readonly code: string;

	constructor(code: string, message: string) {
		super(message);
		this.code = code;
	}
}
