/** What every verb starts from: the environment, the directories and the effective configuration. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { EXIT, Fault, reason } from "../errors.ts";
import { type Directories, findDirectories } from "../host/directories.ts";
import type { Embedded } from "../vm/assets.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Context {
	readonly env: Environment;
	readonly embedded: Embedded;
	readonly directories: Directories;
	readonly verbose: boolean;
}

export function createContext(embedded: Embedded, env: Environment, verbose: boolean): Context {
	return { embedded, env, directories: findDirectories(env), verbose };
}

/** The configuration file: `$VIRTUALGHOST_CONFIG`, else `config.toml` in the configuration folder. Never the current directory. */
export function configFilePath(context: Context): string {
	return context.env.VIRTUALGHOST_CONFIG || join(context.directories.config, "config.toml");
}

export function loadContextConfig(context: Context, flags: Readonly<Record<string, unknown>>): LoadedConfig {
	const path = configFilePath(context);
	return loadConfig({
		file: readConfig(path, context.env.VIRTUALGHOST_CONFIG !== undefined && context.env.VIRTUALGHOST_CONFIG !== ""),
		env: context.env,
		flags,
		home: context.directories.home,
		cwd: process.cwd(),
	});
}

function readConfig(path: string, asked: boolean): { path: string; text: string } | null {
	if (!existsSync(path)) {
		if (!asked) return null;
		throw new Fault(`The configuration file ${path} does not exist`, {
			why: "VIRTUALGHOST_CONFIG names it",
			exitCode: EXIT.usage,
		});
	}
	try {
		return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)) };
	} catch (error) {
		throw new Fault(`The configuration file ${path} cannot be read`, {
			why: error instanceof TypeError ? "it is not UTF-8 text" : reason(error),
			exitCode: EXIT.usage,
			cause: error,
		});
	}
}
