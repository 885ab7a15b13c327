import Foundation
import Quantities
import Yams

extension PriceBook {
    /// A named book of the catalogue.
    public struct Preset: Sendable, Hashable {
        public var name: String
        /// Month of the price, "2026-03".
        public var date: String
        /// Catalogue name of the GPU it rents; empty for a site, which only prices energy.
        public var gpu: String
        public var book: PriceBook
    }

    /// All books and sites of the catalogue, in file order.
    /// - Throws: `Fault` where the file has a fault.
    public static func presets() throws(Fault) -> [Preset] {
        let file: PriceFile
        do {
            file = try YAMLDecoder().decode(PriceFile.self, from: Data(PackageResources.prices_yaml))
        } catch { throw Fault(reason: "prices.yaml cannot be read: \(error)") }
        guard let site = file.sites.first(where: { $0.name == "default" }) else {
            throw Fault(reason: "prices.yaml has no site named default")
        }
        var presets: [Preset] = []
        for entry in file.books { presets.append(try file.preset(entry, at: site)) }
        for entry in file.sites where entry.name != "default" {
            let book = try file.book(entry, at: site, chargesEnergy: true)
            presets.append(Preset(name: entry.name, date: "", gpu: "", book: book))
        }
        return presets
    }

    /// The book of that name; nil where there is none.
    /// - Throws: `Fault` where the catalogue has a fault.
    public static func preset(_ name: String) throws(Fault) -> PriceBook? { try presets().first { $0.name == name }?.book }
}

/// The file as it is written.
private struct PriceFile: Decodable {
    struct Entry: Decodable {
        var name: String
        var date: String?
        var gpu: String?
        var gpu_hour: [String]?
        var spot_gpu_hour: [String]?
        var reserved_gpu_hour: [String]?
        var storage: [String]?
        var electricity: [String]?
        var pue: [String]?
        var carbon: [String]?
    }
    var sources: [String: String]
    /// Catalogue name of a GPU to what is paid for one.
    var bought: [String: [String]]
    var books: [Entry]
    var sites: [Entry]

    func preset(_ entry: Entry, at site: Entry) throws(Fault) -> PriceBook.Preset {
        var book = try book(entry, at: site, chargesEnergy: false)
        book.gpu = entry.gpu ?? ""
        try fill(&book, entry)
        return PriceBook.Preset(name: entry.name, date: entry.date ?? "", gpu: book.gpu, book: book)
    }

    /// Kinds of purchase that the book does not price follow from its rent, as the sources say.
    private func fill(_ book: inout PriceBook, _ entry: Entry) throws(Fault) {
        guard let rent = book.gpuHour?.dollarsPerHour else { return }
        func derived(_ share: Double, _ key: String, _ source: String) -> HourlyPrice? {
            book.sources[key] = sources[source] ?? source
            return try? HourlyPrice(baseValue: rent * share)
        }
        if book.spotGPUHour == nil { book.spotGPUHour = derived(0.4, "spot_gpu_hour", "spot-packet") }
        if book.reservedGPUHour == nil { book.reservedGPUHour = derived(0.625, "reserved_gpu_hour", "reserved") }
        let price: Money? = try value(bought[book.gpu], "owned", entry, &book)
        if price == nil { book.sources["owned"] = "derived: \(OwnedHardware.hoursOfRent) hours of the rent (assumed)" }
        guard let paid = price ?? (try? Money(baseValue: rent * Double(OwnedHardware.hoursOfRent))) else { return }
        book.owned = OwnedHardware(price: paid)
    }

    func book(_ entry: Entry, at site: Entry, chargesEnergy: Bool) throws(Fault) -> PriceBook {
        var book = PriceBook()
        book.chargesEnergy = chargesEnergy
        book.gpuHour = try value(entry.gpu_hour, "gpu_hour", entry, &book)
        book.spotGPUHour = try value(entry.spot_gpu_hour, "spot_gpu_hour", entry, &book)
        book.reservedGPUHour = try value(entry.reserved_gpu_hour, "reserved_gpu_hour", entry, &book)
        book.storage = try value(entry.storage, "storage", entry, &book)
        book.electricity = try value(entry.electricity ?? site.electricity, "electricity", entry, &book)
        book.carbon = try value(entry.carbon ?? site.carbon, "carbon", entry, &book)
        let pue: Ratio? = try value(entry.pue ?? site.pue, "pue", entry, &book)
        book.pue = pue?.value ?? 1
        return book
    }

    private func value<Q: Quantity>(_ pair: [String]?, _ key: String, _ entry: Entry, _ book: inout PriceBook) throws(Fault) -> Q? {
        guard let pair else { return nil }
        guard pair.count == 2, let source = sources[pair[1]] else {
            throw Fault(reason: "prices.yaml: \(entry.name).\(key) must be [value, key of a source]")
        }
        book.sources[key] = source
        do { return try Q(parsing: pair[0]) } catch { throw Fault(reason: "prices.yaml: \(entry.name).\(key): \(error.message)") }
    }
}
