/** The yard room: net clients by id and the commands that steer them, on whatever Host it is given. */
export { deviceNotFound, notCompiled } from './errors.ts';
export { isIdentifier } from './identifier.ts';
export { type LibraryYard, type LibraryYardOptions, openYard } from './library.ts';
export { netdevHelp } from './netdev-help.ts';
export type { DriverTable } from './netdev-registry.ts';
export { Yard, type YardEnvironment, type YardSettings } from './yard.ts';
