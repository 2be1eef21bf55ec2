// A switch between a few choices: radio buttons, so that arrows and screen readers work by themselves.
import { useId } from "react";

export interface SegmentedProps<C extends string> {
  readonly label: string;
  readonly choices: Readonly<Record<C, string>>;
  readonly value: C;
  readonly onChange: (choice: C) => void;
}

export function Segmented<C extends string>({ label, choices, value, onChange }: SegmentedProps<C>) {
  const name = useId();
  return (
    <fieldset className="segmented">
      <legend className="visually-hidden">{label}</legend>
      {(Object.keys(choices) as C[]).map((choice) => (
        <label key={choice}>
          <input
            type="radio"
            name={name}
            value={choice}
            checked={choice === value}
            onChange={() => {
              onChange(choice);
            }}
          />
          {choices[choice]}
        </label>
      ))}
    </fieldset>
  );
}
