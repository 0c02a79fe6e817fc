export const createYard = 1;
