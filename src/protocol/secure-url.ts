// Where a secret may travel.

/** https, or http to `localhost`, 127.0.0.0/8 or ::1. The same test on every redirect hop. */
export function isSecure(url: URL): boolean {
  if (url.protocol === "https:") return true;
  return (
    url.protocol === "http:" &&
    (url.hostname === "localhost" || /^127(\.\d{1,3}){3}$/.test(url.hostname) || url.hostname === "[::1]")
  );
}
