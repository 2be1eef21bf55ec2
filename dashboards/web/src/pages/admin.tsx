// The administration's page: configuration, vendors' keys, tokens, who is signed in, and the record of changes.
import { useSession } from "../auth/session";
import "../ui/admin.css";
import { AuditPanel } from "./audit_panel";
import { ConfigPanel } from "./config_panel";
import type { PageProps } from "./frame";
import { KeysPanel } from "./keys_panel";
import { SignInsPanel } from "./sign_ins_panel";
import { TokensPanel } from "./tokens_panel";

export function Admin({ zone, zonePicker }: PageProps) {
  const { visitor } = useSession();
  const isAdmin = visitor.role === "admin" && visitor.projects === null;
  return (
    <main className="page">
      <div className="toolbar">
        <span className="muted small">
          You are {visitor.name || visitor.actor}, {visitor.role} of{" "}
          {visitor.projects === null ? "all projects" : visitor.projects.join(", ")}.
        </span>
        {zonePicker}
      </div>
      {!isAdmin && (
        <div className="card state" role="note">
          <p className="state-title">Keys, tokens and the audit log are an administrator&apos;s.</p>
          <p>Sign in with a token of the role admin that reaches all projects to see them.</p>
        </div>
      )}
      <ConfigPanel zone={zone} />
      {isAdmin && (
        <>
          <KeysPanel zone={zone} />
          <TokensPanel zone={zone} />
          <SignInsPanel zone={zone} />
          <AuditPanel zone={zone} />
        </>
      )}
    </main>
  );
}
