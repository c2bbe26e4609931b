// What the operator learns. Apart from what the person at the other end sees, and never with key material, a command's
// text, a path or a forwarded byte in it.

export type GatewayEvent =
  | { readonly event: "listening"; readonly host: string; readonly port: number }
  | { readonly event: "refused"; readonly from: string; readonly why: string }
  | { readonly event: "denied"; readonly connection: number; readonly from: string; readonly tries: number }
  | {
      readonly event: "opened";
      readonly connection: number;
      readonly from: string;
      readonly workspaceId: number;
      readonly sessionId: number;
      readonly client: string;
    }
  | { readonly event: "closed"; readonly connection: number; readonly seconds: number }
  | { readonly event: "expired"; readonly connection: number; readonly sessionId: number; readonly running: number }
  | { readonly event: "channel"; readonly connection: number; readonly kind: string }
  | { readonly event: "channel_refused"; readonly connection: number; readonly kind: string; readonly why: string }
  | { readonly event: "broken"; readonly connection: number; readonly why: string }
  | { readonly event: "draining"; readonly connections: number }
  | { readonly event: "error"; readonly connection: number; readonly what: string; readonly message: string };

export type Log = (event: GatewayEvent) => void;
