// expect: depcruise qapi-runtime-without-front
export { checkSchema } from './front.ts';
