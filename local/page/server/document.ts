/** The documentation's texts as pages, each made when somebody asks for it. */
import MarkdownIt from "markdown-it";

/** HTML in a text is text; a link to another text leads to its page. */
const markdown = new MarkdownIt({ html: false });
const normalizeLink = markdown.normalizeLink.bind(markdown);
markdown.normalizeLink = (link) => normalizeLink(link.replace(/^([^:]*)\.md(?=#|$)/, "$1.html"));

/** @param text Markdown */
export function pageOf(text: string): string {
  const title = /^# (.*)$/m.exec(text)?.[1] ?? "Documentation";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${markdown.utils.escapeHtml(title)}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/app.css">
</head>
<body>
<header><p class="name">Authensor's database <span>documentation</span></p><nav aria-label="Views"><a href="/#now">Back to the alarms</a></nav></header>
<main class="text">
${markdown.render(text)}</main>
</body>
</html>
`;
}
