export const checkSchema = 1;
