export const frameLimit = 69632;
