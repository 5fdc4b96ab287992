import { formatDay } from "../dates.ts";
import { reportFailure } from "../notice.ts";
import type { SearchResult } from "../../../clients/typescript/src/schema.ts";
import { RESULTS_PER_CHAT, type Search, type SearchView, splitAtWords } from "../search.ts";
import { words } from "../words.ts";

interface Props {
  readonly search: Search;
  readonly view: SearchView;
  readonly onLeave: () => void;
}

/** The results of a search: chats by their title, then messages, by chat. */
export function SearchResults({ search, view, onLeave }: Props) {
  const { sessions, groups, next, query } = view;
  const number = sessions.length + groups.reduce((sum, group) => sum + group.length, 0);
  const goOn = (): void => void search.goOn().catch(reportFailure(words.searchFailed));
  return (
    <section aria-label={words.searchResults} class="search-results">
      <h2 aria-live="polite">{words.found(number, next !== null)}</h2>
      {sessions.length > 0 && (
        <ul aria-label={words.titleMatches}>
          {sessions.map(({ id, title, updated_at }) => (
            <li key={id}>
              <a href={`#${id}`} onClick={onLeave}>
                <span dir="auto"><Marked text={title ?? words.untitled} query={query} /></span>
                <time class="soft" dateTime={updated_at}>{formatDay(updated_at)}</time>
              </a>
            </li>
          ))}
        </ul>
      )}
      {groups.map((group) => (
        <Group key={group[0]!.session_id} group={group} search={search} view={view} onLeave={onLeave} />
      ))}
      {next !== null && <button type="button" class="quiet" onClick={goOn}>{words.searchFurther}</button>}
    </section>
  );
}

function Group({ group, search, view, onLeave }: Props & { group: readonly SearchResult[] }) {
  const { session_id, session_title } = group[0]!;
  const hasMore = group.length === RESULTS_PER_CHAT && !view.complete.has(session_id);
  const expand = (): void => void search.expand(session_id).catch(reportFailure(words.searchFailed));
  return (
    <>
      <h3 dir="auto">{session_title ?? words.untitled}</h3>
      <ul>
        {group.map(({ message_id, snippet, created_at }) => (
          <li key={message_id}>
            <a href={`#${session_id}/${message_id}`} onClick={onLeave}>
              <span class="snippet" dir="auto"><Marked text={snippet} query={view.query} /></span>
              <time class="soft" dateTime={created_at}>{formatDay(created_at)}</time>
            </a>
          </li>
        ))}
      </ul>
      {hasMore && <button type="button" class="quiet" onClick={expand}>{words.moreInChat}</button>}
    </>
  );
}

/** A text in which the words of a query are marked. */
const Marked = ({ text, query }: { text: string; query: string }) => (
  <>{splitAtWords(text, query).map((piece, index) => (index % 2 === 1 ? <mark key={index}>{piece}</mark> : piece))}</>
);
