export { createListener } from './listener-netdev.ts';
