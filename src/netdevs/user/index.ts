/** netdev `user`. */
export { createUserNetdev } from './user-netdev.ts';
