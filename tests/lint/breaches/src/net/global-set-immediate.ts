// expect: biome lint/style/noRestrictedGlobals
// expect: tsc TS2304
export const used = (): unknown => setImmediate(() => {});
