// Makes a token, and shows its text the only time that anybody sees it.
import { useId, useState, type SubmitEvent } from "react";
import { createToken } from "../api/administration";
import { atController } from "../api/clock";
import { useOrder } from "../api/order";
import { DAY_MS } from "../lib/time";
import { Dialog } from "../ui/dialog";
import { Segmented } from "../ui/segmented";

const ROLES = { viewer: "Viewer", operator: "Operator", admin: "Admin", worker: "Worker" } as const;
const LIVES = { month: "30 days", year: "1 year", ever: "No end" } as const;
const DAYS: Readonly<Record<keyof typeof LIVES, number | null>> = { month: 30, year: 365, ever: null };

export function NewTokenDialog({ onClose }: { readonly onClose: () => void }) {
  const { problem, isBusy, send } = useOrder();
  const [name, setName] = useState("");
  const [projects, setProjects] = useState("");
  const [role, setRole] = useState<keyof typeof ROLES>("viewer");
  const [life, setLife] = useState<keyof typeof LIVES>("year");
  const [made, setMade] = useState<string | null>(null);
  const id = useId();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const named = projects.split(",").map((each) => each.trim()).filter(Boolean);
    const days = DAYS[life];
    const answer = await send(
      createToken({
        name: name.trim(),
        role,
        projects: named.length === 0 ? null : named,
        expires_at: days === null ? null : new Date(atController(Date.now()) + days * DAY_MS).toISOString(),
      }),
    );
    if (answer !== null) setMade(answer.token);
  }

  if (made !== null) {
    return (
      <Dialog title="Copy it now" onClose={onClose}>
        <p>Only its hash is stored: nobody can show it again.</p>
        <output className="mono new-token">{made}</output>
        <div className="form-actions">
          <button type="button" className="button" onClick={() => void navigator.clipboard.writeText(made)}>
            Copy
          </button>
          <button type="button" className="button-primary" onClick={onClose}>
            I have it
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="New token" onClose={onClose}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <label htmlFor={`${id}-name`}>For whom or what</label>
        <input
          id={`${id}-name`}
          required
          maxLength={200}
          value={name}
          onChange={(event) => {
            setName(event.target.value);
          }}
        />
        <Segmented label="What it may do" choices={ROLES} value={role} onChange={setRole} />
        <label htmlFor={`${id}-projects`}>Projects, separated by commas; empty means all</label>
        <input
          id={`${id}-projects`}
          value={projects}
          onChange={(event) => {
            setProjects(event.target.value);
          }}
        />
        <Segmented label="For how long" choices={LIVES} value={life} onChange={setLife} />
        <p role="alert" className="problem">
          {problem}
        </p>
        <div className="form-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button-primary" disabled={isBusy}>
            Make it
          </button>
        </div>
      </form>
    </Dialog>
  );
}
