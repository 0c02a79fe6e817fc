// expect: depcruise portable-no-package
import { Command } from 'commander';

export const used = Command;
