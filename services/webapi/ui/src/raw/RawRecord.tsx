/** The bytes that a PBX printed, and which of them became which value. */
import { useLingui } from "@lingui/react/macro";
import { useMemo, useState } from "react";
import type { RawField } from "@/api/types";
import css from "./raw.module.css";
import { bytesOf, piecesOf, visible } from "./raw-bytes";

interface RawRecordProps {
  /** base64, as the API gives it. */
  bytes: string;
  context: string | null;
  fields: readonly RawField[];
  note: string;
}

export function RawRecord({ bytes, context, fields, note }: RawRecordProps) {
  const { t } = useLingui();
  const [lit, light] = useState<number | null>(null);
  const pieces = useMemo(() => piecesOf(bytesOf(bytes), fields), [bytes, fields]);
  return (
    <>
      {context === null ? null : (
        <details className={css.context}>
          <summary>{t`Stands under these lines`}</summary>
          <p className={css.line} dir="ltr">
            {visible(bytesOf(context))}
          </p>
        </details>
      )}
      <p className={css.line} dir="ltr">
        {pieces.map((piece, index) => (
          <bdi
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces are by their place in the record
            key={index}
            data-field={piece.field !== null}
            data-lit={piece.field !== null && piece.field === lit}
            onPointerEnter={() => light(piece.field)}
          >
            {piece.text}
          </bdi>
        ))}
      </p>
      {note === "" ? null : <p className={css.note}>{note}</p>}
      <Fields fields={fields} lit={lit} onLight={light} />
    </>
  );
}

function Fields({
  fields,
  lit,
  onLight,
}: {
  fields: readonly RawField[];
  lit: number | null;
  onLight: (field: number | null) => void;
}) {
  const { t } = useLingui();
  if (fields.length === 0) {
    return null;
  }
  const [first] = fields;
  // what is said of every field is said once
  const shared = fields.length > 1 && fields.every((field) => field.note === first?.note);
  return (
    <>
      {shared && first !== undefined && first.note !== "" ? (
        <p className={css.note}>{first.note}</p>
      ) : null}
      <table className={css.fields} onPointerLeave={() => onLight(null)}>
        <thead>
          <tr>
            <th scope="col">{t`Field`}</th>
            <th scope="col">{t`Place`}</th>
            <th scope="col">{t`Printed`}</th>
            <th scope="col">{t`Read as`}</th>
            <th scope="col">{t`Meaning`}</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field, index) => (
            <tr
              key={field.name}
              data-lit={index === lit}
              data-absent={field.from === null}
              onPointerEnter={() => onLight(index)}
            >
              <th scope="row">
                <button type="button" onFocus={() => onLight(index)} onBlur={() => onLight(null)}>
                  {field.name}
                </button>
              </th>
              <td>{field.position}</td>
              <td className={css.printed} dir="ltr">
                {field.text}
              </td>
              <td dir="ltr">{field.value}</td>
              <td className={css.meaning}>
                {field.meaning}
                {shared || field.note === "" ? null : <em> {field.note}</em>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
