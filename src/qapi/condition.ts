/** Conditions of the schema language (`if`): evaluation and text. */
import type { Condition } from './model.ts';

/** Whether a condition holds when exactly the macros of `defines` are defined; no condition always holds. */
export function conditionHolds(condition: Condition | undefined, defines: ReadonlySet<string>): boolean {
  if (condition === undefined) return true;
  if (typeof condition === 'string') return defines.has(condition);
  if ('all' in condition) return condition.all.every((c) => conditionHolds(c, defines));
  if ('any' in condition) return condition.any.some((c) => conditionHolds(c, defines));
  return !conditionHolds(condition.not, defines);
}

/** A condition as documentation shows it: `A and (B or not C)`. */
export function conditionText(condition: Condition): string {
  if (typeof condition === 'string') return condition;
  if ('not' in condition) return `not ${operandText(condition.not)}`;
  const [operands, word] = 'all' in condition ? [condition.all, ' and '] : [condition.any, ' or '];
  const only = operands[0];
  if (operands.length === 1 && only !== undefined) return conditionText(only);
  return operands.map(operandText).join(word);
}

const operandText = (condition: Condition): string =>
  typeof condition === 'string' ? condition : `(${conditionText(condition)})`;
