// The login view: the company's own sign-in where there is one, or a token, and why either was refused.
import { useState, type SubmitEvent } from "react";
import { ask, ApiProblem } from "../api/client";
import { companySignIn, signInWith, type Visitor } from "../api/sign_in";
import { Logo } from "../ui/logo";

export interface LoginProps {
  /** Why the visitor is here, if not for the first time. */
  readonly reason: string | null;
  /** The company's own sign-in, null where there is none. */
  readonly oidc: { readonly name: string } | null;
  readonly onVisitor: (visitor: Visitor) => void;
}

export function Login({ reason, oidc, onVisitor }: LoginProps) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(reason);
  const [isTrying, setTrying] = useState(false);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    setTrying(true);
    setProblem(null);
    const answer = await answerTo(token.trim());
    setTrying(false);
    if (typeof answer === "string") setProblem(answer);
    else onVisitor(answer);
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
          A token with the role viewer, operator or admin. It is not kept: the browser gets a sign-in that you can end.
        </p>
        <p id="token-problem" role="alert" className="problem">
          {problem}
        </p>
        <button type="submit" className="button-primary" disabled={isTrying || token.trim() === ""}>
          {isTrying ? "Checking…" : "Sign in"}
        </button>
        {oidc !== null && (
          <a className="button" href={companySignIn(location.hash)}>
            Sign in with {oidc.name}
          </a>
        )}
      </form>
    </main>
  );
}

/** Who came in, or a sentence. */
async function answerTo(token: string): Promise<Visitor | string> {
  if (!/^[\x21-\x7e]+$/.test(token)) return "That is not a token: it holds a space or a character no token has.";
  try {
    return await ask(signInWith(token), null);
  } catch (cause) {
    if (cause instanceof ApiProblem) return cause.message;
    throw cause;
  }
}
