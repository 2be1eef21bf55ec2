// The login view: takes a token, tries it, and says why one was refused.
import { useState, type SubmitEvent } from "react";
import { ask, ApiProblem } from "../api/client";
import { liveReport } from "../api/live";
import { Logo } from "../ui/logo";

export interface LoginProps {
  /** Why the visitor is here, if not for the first time. */
  readonly reason: string | null;
  readonly onToken: (token: string) => void;
}

export function Login({ reason, onToken }: LoginProps) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(reason);
  const [isTrying, setTrying] = useState(false);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    setTrying(true);
    setProblem(null);
    const refusal = await refusalOf(token.trim());
    setTrying(false);
    if (refusal === null) onToken(token.trim());
    else setProblem(refusal);
  }

  return (
    <main className="login">
      <form className="card login-form" onSubmit={(event) => void submit(event)}>
        <h1 className="login-title">
          <Logo /> VoiceGateway
        </h1>
        <label htmlFor="token">Access token</label>
        <input
          id="token"
          name="token"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          placeholder="vgw_…"
          required
          value={token}
          aria-invalid={problem !== null}
          aria-describedby="token-help token-problem"
          onChange={(event) => {
            setToken(event.target.value);
          }}
        />
        <p id="token-help" className="muted">
          A token with the role viewer or admin. It stays in this tab and is forgotten when the tab closes.
        </p>
        <p id="token-problem" role="alert" className="problem">
          {problem}
        </p>
        <button type="submit" className="button-primary" disabled={isTrying || token.trim() === ""}>
          {isTrying ? "Checking…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

/** Null when the token may read; otherwise a sentence. */
async function refusalOf(token: string): Promise<string | null> {
  // A header value is Latin-1 at most; fetch throws on anything else, which would read as an outage.
  if (!/^[\x21-\x7e]+$/.test(token)) return "That is not a token: it holds a space or a character no token has.";
  try {
    await ask(liveReport.question(Date.now()), token);
    return null;
  } catch (cause) {
    if (cause instanceof ApiProblem) return cause.message;
    throw cause;
  }
}
