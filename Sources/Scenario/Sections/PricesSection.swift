import Cost
import Quantities

/// The section `prices`.
enum PricesSection {
    private struct Draft {
        var preset: PriceBook?
        var book = PriceBook()
        var exchange: [String: Double] = [:]
    }

    static var entries: [SchemaEntry] { section.entries }

    private static var preset: Field<Draft> {
        Field(
            "preset", \.preset, .named("a price list", example: "h100-market") { $0.prices }, default: "none",
            "prices of the catalogue; the other keys override them")
    }
    private static var exchange: Field<Draft> {
        Field("exchange", \.exchange, rates, default: "none", "USD for one unit of another currency that prices are written in")
    }
    private static var section: Section<Draft> {
        Section([
            preset,
            Field("gpu_hour", \.book.gpuHour, price(), default: "none", "price of a GPU for an hour"),
            Field("spot_gpu_hour", \.book.spotGPUHour, price(), default: "none", "the same, bought as spot"),
            Field("reserved_gpu_hour", \.book.reservedGPUHour, price(), default: "none", "the same, with a commitment"),
            Field(
                "owned", \.book.owned, changing: (make: owned, empty: nil), default: "the preset's, or none",
                "machines that are bought; an hour of them is their life's cost over its hours"),
            Field("electricity", \.book.electricity, price(), default: "none", "tariff"),
            Field("pue", \.book.pue, .ratio(1...10, example: "1.2"), default: "1", "energy of the building over energy of the machines"),
            Field("carbon", \.book.carbon, .quantity, default: "none", "carbon intensity of the electricity"),
            Field("storage", \.book.storage, price(), default: "none", "price of keeping data"),
            Field("stored", \.book.stored, .quantity, default: "none", "data kept over the run"),
            Field("purchase", \.book.purchase, .choice, default: "on-demand", "how the GPUs are bought"),
            Field(
                "charges_energy", \.book.chargesEnergy, .flag, default: "false",
                "electricity is billed beside the GPU-hour (owned machines)"),
            exchange,
        ])
    }

    private struct OwnedDraft {
        var price: Money?
        var platform: Double?
        var years: Double?
        var residual: Double?
        var space: Money?
        var staff: Double?
        var utilization: Double?
    }

    private static func owned(_ base: OwnedHardware?) -> Kind<OwnedHardware?> {
        let section = Section<OwnedDraft>([
            Field("price", \.price, price(), default: "the preset's", "of one GPU"),
            Field(
                "platform", \.platform, .ratio(1...20, example: "1.5"), default: "1.5",
                "price of node and network with the GPU, over the GPU's"),
            Field("years", \.years, .ratio(0.1...50, example: "5"), default: "5", "of use"),
            Field("residual", \.residual, .ratio(0...1, example: "10%"), default: "10%", "share of the price that they bring at the end"),
            Field("space", \.space, price(), default: "80 USD", "a kilowatt and month, electricity apart"),
            Field("staff", \.staff, .ratio(0...5, example: "5%"), default: "5%", "of the price a year: people, spare parts, support"),
            Field(
                "utilization", \.utilization, .ratio(0.01...1, example: "90%"), default: "90%", "share of the hours in which they are used"),
        ])
        return Kind<OwnedHardware?>("{price, years, residual, space, staff, ...}", example: "{price: 30000 USD}", children: section.entries)
        {
            item, reader in
            let before = reader.errors.count
            var draft = OwnedDraft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            guard let price = draft.price ?? base?.price else {
                reader.report(item.tree.place, "\(item.path).price", "the key is missing", "write price: 30000 USD, or name a preset")
                return nil
            }
            var hardware = base ?? OwnedHardware(price: price)
            hardware.price = price
            hardware.platform = draft.platform ?? hardware.platform
            hardware.years = draft.years ?? hardware.years
            hardware.residual = draft.residual ?? hardware.residual
            hardware.space = draft.space ?? hardware.space
            hardware.staff = draft.staff ?? hardware.staff
            hardware.utilization = draft.utilization ?? hardware.utilization
            return .some(hardware)
        }
    }

    private static var rates: Kind<[String: Double]> {
        Kind("mapping of currencies to USD", example: "{EUR: 1.1}") { item, reader in
            guard let entries = item.tree.entries else {
                reader.report(item, "\(item.text) stands where currencies are expected", "write exchange: {EUR: 1.1}")
                return nil
            }
            var rates: [String: Double] = [:]
            for entry in entries {
                let value = item.child(entry)
                guard code(in: entry.key) == entry.key else {
                    reader.report(entry.place, value.path, "\"\(entry.key)\" is no currency", "write its three letters, for instance EUR")
                    continue
                }
                guard let text = value.scalar("a number", example: "1.1", &reader) else { continue }
                guard let rate = decimalNumber(text), rate > 0, rate < 1e9 else {
                    reader.report(
                        value, "\(value.text) is no number above zero", "write how many USD one \(entry.key) is worth, for instance 1.1")
                    continue
                }
                reader.note(value, rate)
                rates[entry.key] = rate
            }
            return rates.count == entries.count ? rates : nil
        }
    }

    /// A price in USD, or in a currency of `exchange`.
    private static func price<Value: Quantity>() -> Kind<Value> {
        let plain = Kind<Value>.quantity
        return Kind(plain.name, example: plain.example) { item, reader in
            guard case .scalar(let text, _) = item.tree.content, let code = code(in: text), code != "USD" else {
                return plain.read(item, &reader)
            }
            guard let rate = reader.exchange[code] else {
                reader.report(
                    item, "\(item.text) is in \(code), and nothing says what that is worth",
                    "write prices.exchange: {\(code): 1.1} with the USD for one \(code), or the price in USD")
                return nil
            }
            do throws(QuantityError) {
                let local = try Value(parsing: text.replacing(code, with: "USD"))
                let value = try Value(baseValue: local.baseValue * rate)
                reader.note(item, value.baseValue)
                return value
            } catch {
                reader.report(item, error, example: Value.example)
                return nil
            }
        }
    }

    /// Three capital letters before "/", the end, or anything else that is no letter.
    private static func code(in text: String) -> String? {
        text.split { !$0.isLetter }.map(String.init).first { $0.count == 3 && $0.allSatisfy { $0.isASCII && $0.isUppercase } }
    }

    static func read(_ item: Item, _ reader: inout Reader) -> PriceBook {
        var draft = Draft()
        var quiet = reader
        if let entry = item.tree["exchange"] {
            exchange.apply(item.child(entry), &draft, &quiet)
            reader.exchange = draft.exchange
        }
        if let entry = item.tree["preset"] {
            preset.apply(item.child(entry), &draft, &quiet)
            draft.book = draft.preset ?? draft.book
        }
        section.read(item, into: &draft, &reader)
        let own = Set((item.tree.entries ?? []).map(\.key)).subtracting(["preset", "purchase", "exchange"])
        // Who writes down machines has bought them, and pays their electricity.
        if own.contains("owned"), item.tree["purchase"] == nil { draft.book.purchase = .owned }
        if draft.book.purchase == .owned, !own.contains("charges_energy") { draft.book.chargesEnergy = true }
        for key in own.sorted() { draft.book.sources[key] = "scenario" }
        if !own.isDisjoint(with: ["gpu_hour", "spot_gpu_hour", "reserved_gpu_hour"]) { draft.book.gpu = "" }
        do { _ = try draft.book.hourly() } catch {
            reader.report(item.tree["purchase"]?.place ?? item.tree.place, "\(item.path).purchase", error.reason, error.suggestion)
        }
        return draft.book
    }
}
