/**
 * The shape of a schema at compile time: one interface with `commands` and `events`, as the emitter writes it for
 * netyard (`NetyardSchema`) or for a live QEMU. It is a constraint for generics, so it asks for no index signatures,
 * which interfaces do not have.
 */
export interface QmpSchema {
  /** By command name: `{ arguments: A; returns: R }`. */
  readonly commands: object;
  /** By event name: the type of its data. */
  readonly events: object;
}

export type CommandName<S extends QmpSchema> = keyof S['commands'] & string;

export type CommandArguments<S extends QmpSchema, K extends CommandName<S>> = S['commands'][K] extends {
  readonly arguments: infer A;
}
  ? A
  : never;

export type CommandReturns<S extends QmpSchema, K extends CommandName<S>> = S['commands'][K] extends {
  readonly returns: infer R;
}
  ? R
  : never;

export type EventName<S extends QmpSchema> = keyof S['events'] & string;

export type EventData<S extends QmpSchema, K extends EventName<S>> = S['events'][K];
