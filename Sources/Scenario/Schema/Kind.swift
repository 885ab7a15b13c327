import Quantities

/// A kind of value: what it is called, how it is written, and how it is read into `Value`. Reading reports its own faults and gives nil.
struct Kind<Value> {
    let name: String
    let example: String
    var children: [SchemaEntry] = []
    let read: (Item, inout Reader) -> Value?

    init(_ name: String, example: String, children: [SchemaEntry] = [], read: @escaping (Item, inout Reader) -> Value?) {
        self.name = name
        self.example = example
        self.children = children
        self.read = read
    }

    func map<Other>(_ transform: @escaping (Value) -> Other) -> Kind<Other> {
        Kind<Other>(name, example: example, children: children) { item, reader in read(item, &reader).map(transform) }
    }

    /// Adds a condition that values must meet.
    func requiring(_ reason: String, _ advice: String, _ holds: @escaping (Value) -> Bool) -> Kind {
        Kind(name, example: example, children: children) { item, reader in
            guard let value = read(item, &reader) else { return nil }
            guard holds(value) else {
                reader.report(item, "\(item.text) \(reason)", advice)
                return nil
            }
            return value
        }
    }

    /// `word` stands for "left to the program".
    func or(_ word: String) -> Kind<Value?> {
        Kind<Value?>("\(word) or \(name)", example: example, children: children) { item, reader in
            if case .scalar(word, _) = item.tree.content { return .some(nil) }
            return read(item, &reader).map { .some($0) }
        }
    }

    /// A short form for a scalar, `self` for a mapping.
    func abbreviated(by short: Kind<Value>) -> Kind {
        Kind("\(short.name), or \(name)", example: short.example, children: children) { item, reader in
            if case .mapping = item.tree.content { return read(item, &reader) }
            return short.read(item, &reader)
        }
    }
}

extension Item {
    /// The value for messages, cut short.
    var text: String {
        switch tree.content {
        case .null: "nothing"
        case .scalar(let text, _): text.count > 60 ? "\"\(text.prefix(57))...\"" : "\"\(text)\""
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The scalar's text, or a report that a value of kind `kind` is expected.
    func scalar(_ kind: String, example: String, _ reader: inout Reader) -> String? {
        if case .scalar(let text, _) = tree.content { return text }
        let found = tree.isNull ? "the key has no value" : "\(self.text) stands where \(kind) is expected"
        reader.report(self, found, "write for instance \(example)")
        return nil
    }
}

extension Kind where Value == String {
    static var text: Kind {
        Kind("text", example: "text") { item, reader in item.scalar("a text", example: "a word", &reader) }
    }
}

extension Kind where Value == Bool {
    static var flag: Kind {
        Kind("true or false", example: "true") { item, reader in
            guard let text = item.scalar("true or false", example: "true", &reader) else { return nil }
            switch text {
            case "true", "True", "TRUE":
                reader.note(item, word: "true")
                return true
            case "false", "False", "FALSE":
                reader.note(item, word: "false")
                return false
            default:
                let yes = ["yes", "on", "1", "y"].contains(text.lowercased())
                let no = ["no", "off", "0", "n"].contains(text.lowercased())
                reader.report(
                    item, "\(item.text) is neither true nor false", yes ? "write true" : no ? "write false" : "write true or false")
                return nil
            }
        }
    }
}

extension Kind where Value == Int {
    static func integer(_ range: ClosedRange<Int>, example: Int? = nil) -> Kind {
        let shown = example ?? max(range.lowerBound, min(2, range.upperBound))
        return Kind("whole number, \(range.lowerBound) to \(range.upperBound)", example: "\(shown)") { item, reader in
            guard let text = item.scalar("a whole number", example: "\(shown)", &reader) else { return nil }
            let digits = text.replacing("_", with: "")
            if let value = Int(digits) {
                if range.contains(value) {
                    reader.note(item, word: "\(value)")
                    return value
                }
                reader.report(item, "\(text) is outside \(range.lowerBound) to \(range.upperBound)", "write for instance \(shown)")
            } else if let value = decimalNumber(digits), abs(value) < 1e15, value == value.rounded() {
                reader.report(item, "\(item.text) is not written as a whole number", "write \(Int(value))")
            } else if let value = decimalNumber(digits), abs(value) < 1e15 {
                reader.report(item, "\(item.text) is not a whole number", "write for instance \(Int(value.rounded()))")
            } else {
                reader.report(
                    item, "\(item.text) is not a whole number from \(range.lowerBound) to \(range.upperBound)",
                    "write for instance \(shown)")
            }
            return nil
        }
    }

    /// A whole number that may carry a decimal prefix: "15.6T".
    static func count(_ range: ClosedRange<Int>, example: String) -> Kind {
        Kind("count, from \(range.lowerBound)", example: example) { item, reader in
            guard let text = item.scalar("a count", example: example, &reader) else { return nil }
            let value: Int
            do throws(QuantityError) { value = Int(try Count(parsing: text).value) } catch {
                reader.report(item, error, example: example)
                return nil
            }
            guard range.contains(value) else {
                reader.report(item, "\(item.text) is outside \(range.lowerBound) to \(range.upperBound)", "write for instance \(example)")
                return nil
            }
            reader.note(item, word: "\(value)")
            return value
        }
    }
}

extension Kind where Value == Double {
    /// A pure number or a percentage.
    static func ratio(_ range: ClosedRange<Double>, example: String) -> Kind {
        Kind("number or per cent, \(significant(range.lowerBound)) to \(significant(range.upperBound))", example: example) { item, reader in
            guard let text = item.scalar("a number", example: example, &reader) else { return nil }
            let value: Double
            do throws(QuantityError) { value = try Ratio(parsing: text).value } catch {
                reader.report(item, error, example: example)
                return nil
            }
            guard range.contains(value) else {
                reader.report(
                    item, "\(item.text) is outside \(significant(range.lowerBound)) to \(significant(range.upperBound))",
                    "write for instance \(example)")
                return nil
            }
            reader.note(item, value)
            return value
        }
    }
}

extension Kind where Value: Quantity {
    static var quantity: Kind {
        let kind = Value.noun
        return Kind("\(kind), such as \(Value.example)", example: Value.example) { item, reader in
            guard let text = item.scalar(kind, example: Value.example, &reader) else { return nil }
            do throws(QuantityError) {
                let value = try Value(parsing: text)
                reader.note(item, value.baseValue)
                return value
            } catch {
                reader.report(item, error, example: Value.example)
                return nil
            }
        }
    }
}

extension Kind where Value: RawRepresentable<String> {
    /// One of a fixed set of words.
    static func choice(_ cases: [Value]) -> Kind {
        let words = cases.map(\.rawValue)
        let name = words.joined(separator: " | ")
        return Kind(name, example: words.first ?? "") { item, reader in
            guard let text = item.scalar("one of \(words.joined(separator: ", "))", example: words.first ?? "", &reader) else { return nil }
            if let value = Value(rawValue: text), words.contains(text) { return value }
            reader.report(item, "\(item.text) is none of \(words.joined(separator: ", "))", suggestion(for: text, in: words))
            return nil
        }
    }
}

extension Kind where Value: RawRepresentable<String> & CaseIterable {
    static var choice: Kind { choice(Array(Value.allCases)) }
}

extension Kind {
    /// A list, all of whose elements are of one kind.
    static func list<Element>(of element: Kind<Element>, atMost limit: Int) -> Kind where Value == [Element] {
        Kind("list of (\(element.name))", example: "[\(element.example)]", children: element.children) { item, reader in
            guard case .sequence(let trees) = item.tree.content else {
                reader.report(item, "\(item.text) stands where a list is expected", "write [\(element.example)]")
                return nil
            }
            guard trees.count <= limit else {
                reader.report(item, "the list has \(trees.count) elements, more than \(limit)", "shorten it")
                return nil
            }
            var values: [Element] = []
            for (index, tree) in trees.enumerated() {
                if let value = element.read(item.element(index, tree), &reader) { values.append(value) }
            }
            return values.count == trees.count ? values : nil
        }
    }

    /// A name that the library knows.
    static func named(_ noun: String, example: String, in lookup: @escaping (Library) -> Library.Lookup<Value>) -> Kind {
        Kind("name of \(noun)", example: example) { item, reader in
            guard let text = item.scalar("the name of \(noun)", example: example, &reader) else { return nil }
            let table = lookup(reader.library)
            if let value = table.find(text) { return value }
            reader.report(item, "\(item.text) is not the name of \(noun) that is known", suggestion(for: text, in: table.names))
            return nil
        }
    }
}
