// expect: biome lint/style/noRestrictedGlobals
// expect: tsc TS2584
export const used = (): unknown => console.log(1);
