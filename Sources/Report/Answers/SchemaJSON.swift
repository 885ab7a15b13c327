import Quantities
import Scenario

extension SchemaEntry {
    /// Keys of a scenario as a document, without a final newline.
    public static func json(_ entries: [SchemaEntry]) -> String {
        JSONValue.array(
            entries.map { entry in
                .object([
                    ("key", .string(entry.keyPath)), ("type", .string(entry.type)), ("default", .string(entry.defaultValue)),
                    ("meaning", .string(entry.meaning)), ("example", .string(entry.example)), ("available", .bool(entry.available)),
                ])
            }
        ).text()
    }
}
