// expect: biome lint/style/noRestrictedGlobals
export const used = (): unknown => new Date();
