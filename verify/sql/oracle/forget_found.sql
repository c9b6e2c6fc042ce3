delete from found
